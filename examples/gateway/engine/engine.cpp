// SPDX-License-Identifier: Apache-2.0
#include "engine.hpp"

#include <fmt/format.h>

#include <boost/system/system_error.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "reply.hpp"

namespace emulated {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

// About the times of a large reasoning model. The time scale multiplies them.
constexpr double prefill_ms_per_token = 0.08;
constexpr double decode_ms_per_token = 20;

constexpr std::chrono::milliseconds slow_pause{100};
constexpr std::size_t pieces_of_spoilt_reply = 10;

/// Differs each time an engine is started, as vLLM's engine ids do.
std::string unique(const std::string& id) {
  std::random_device random;
  return fmt::format("{}-{:08x}", id, random());
}

}  // namespace

Engine::Engine(const EngineOptions& options, asio::io_context& io, const asio::ip::tcp::endpoint& address)
    : options_(options), transfers_(unique(options.id), address.address().to_string(), address.port()), claims_(io) {
  faults_.set(options.fault, options.fault_every);
}

asio::awaitable<void> Engine::serve(asio::ip::tcp::socket socket) {
  const auto client = std::make_shared<Connection>(std::move(socket));
  try {
    while (co_await client->read_request()) co_await answer(*client);
  } catch (const boost::system::system_error&) {
    // The client has gone away. Its request is counted already.
  }
  client->close();
}

asio::awaitable<void> Engine::answer(Connection& client) {
  const auto& request = client.request();
  const std::string_view target = client.target();
  const std::string_view path = target.substr(0, target.find('?'));
  const bool post = request.method() == boost::beast::http::verb::post;
  if (post && path == "/v1/completions") {
    co_await complete(client, CompletionKind::text);
  } else if (post && path == "/v1/chat/completions") {
    co_await complete(client, CompletionKind::chat);
  } else {
    const std::string reply = page(request, path);
    co_await client.write(reply);
  }
}

asio::awaitable<void> Engine::complete(Connection& client, CompletionKind kind) {
  Run run(report_);
  const Fault fault = faults_.next();
  if (report_.running() > options_.max_running || fault == Fault::refuse_429)
    co_return co_await refuse(client, run, 429, "overloaded", "too many requests are running");

  const auto request = CompletionRequest::read(kind, client.request().body());
  if (!request) co_return co_await refuse(client, run, 400, "bad_request", request.error());
  const Leg leg = leg_of(*request, options_.role);
  if (const auto violation = check_request(*request, client.request_id(), leg, options_.role))
    co_return co_await refuse(client, run, *violation);
  run.hold(blocks_for(request->words.size() + request->max_tokens));

  switch (leg) {
    case Leg::prefill: co_return co_await prefill(client, run, *request, fault);
    case Leg::decode: co_return co_await decode(client, run, *request, fault);
    case Leg::whole: break;
  }
  co_await client.pause_until(Clock::now() + prefill_time(*request));
  if (!co_await spoil(client, run, fault)) co_await generate(client, run, *request, fault);
}

asio::awaitable<void> Engine::prefill(Connection& client, Run& run, const CompletionRequest& request, Fault fault) {
  co_await client.pause_until(Clock::now() + prefill_time(request));
  if (co_await spoil(client, run, fault)) co_return;
  const std::string request_id(client.request_id());
  const json params = transfers_.issue(request_id, request.prompt_hash(), blocks_for(request.words.size()));
  co_await send(client, run, whole_reply(200, CompletionText(request, request_id).whole(params)), fault);
}

asio::awaitable<void> Engine::decode(Connection& client, Run& run, const CompletionRequest& request, Fault fault) {
  const auto claimed = co_await claims_.claim(request.fields["kv_transfer_params"]);
  if (const auto violation = check_claim(request, client.request_id(), claimed.status, claimed.issued))
    co_return co_await refuse(client, run, *violation);
  if (claimed.status != 200) {
    run.end(Ending::failed);
    const std::string reply = error_reply(500, "kv_load_failed", "the prefill engine does not answer");
    co_return co_await client.write(reply);
  }
  // From here on the prefill is used up, even if the decode fails.
  if (!co_await spoil(client, run, fault)) co_await generate(client, run, request, fault);
}

asio::awaitable<void> Engine::generate(Connection& client, Run& run, const CompletionRequest& request, Fault fault) {
  const CompletionText text(request, std::string(client.request_id()));
  if (request.stream) co_return co_await stream(client, run, text, request.max_tokens, fault);
  co_await client.pause_until(Clock::now() + request.max_tokens * scaled(decode_ms_per_token));
  co_await send(client, run, whole_reply(200, text.whole(nullptr)), fault);
}

asio::awaitable<void> Engine::stream(Connection& client, Run& run, const CompletionText& text, std::size_t tokens,
                                     Fault fault) {
  const auto start = Clock::now();
  std::string piece = stream_head();
  for (std::size_t i = 0; i < tokens; ++i) {
    co_await client.pause_until(start + (i + 1) * scaled(decode_ms_per_token));
    if (fault == Fault::slow) co_await client.pause_until(Clock::now() + slow_pause);
    piece += stream_piece(text.event(i));
    co_await client.write(piece);
    piece.clear();
    if (fault == Fault::cut && i + 1 >= tokens / 2) {
      run.end(Ending::failed);
      co_return client.close();
    }
  }
  const std::string end = stream_piece(text.end()) + stream_end();
  co_await client.write(end);
  run.end(Ending::finished);
}

asio::awaitable<void> Engine::refuse(Connection& client, Run& run, unsigned status, std::string_view code,
                                     std::string_view message) {
  run.end(Ending::refused);
  const std::string reply = error_reply(status, code, message);
  co_await client.write(reply);
}

asio::awaitable<void> Engine::refuse(Connection& client, Run& run, const Violation& violation) {
  report_.add(violation);
  co_await refuse(client, run, 400, violation.rule, violation.detail);
}

/// Sends the reply of the fault, if the fault has one.
asio::awaitable<bool> Engine::spoil(Connection& client, Run& run, Fault fault) {
  std::string reply;
  switch (fault) {
    case Fault::none:
    case Fault::slow:
    case Fault::cut:
    case Fault::refuse_429: co_return false;
    case Fault::hang: co_await client.pause_until(Clock::time_point::max()); break;
    case Fault::garbage: reply = "\x16\x03\x01 this is no HTTP\n"; break;
    case Fault::garbage_body: reply = whole_reply(200, "<html>this is no JSON</html>", "text/html"); break;
    case Fault::error_500: reply = error_reply(500, "internal", "something broke, as demanded"); break;
  }
  run.end(Ending::failed);
  co_await client.write(reply);
  if (fault == Fault::garbage) client.close();
  co_return true;
}

asio::awaitable<void> Engine::send(Connection& client, Run& run, std::string reply, Fault fault) {
  const bool spoilt = fault == Fault::slow || fault == Fault::cut;
  const std::size_t size = spoilt ? reply.size() / pieces_of_spoilt_reply + 1 : reply.size();
  for (std::size_t from = 0; from < reply.size(); from += size) {
    if (fault == Fault::slow) co_await client.pause_until(Clock::now() + slow_pause);
    if (fault == Fault::cut && from >= reply.size() / 2) {
      run.end(Ending::failed);
      co_return client.close();
    }
    const std::string_view piece = std::string_view(reply).substr(from, size);
    co_await client.write(piece);
  }
  run.end(Ending::finished);
}

Engine::Clock::duration Engine::scaled(double milliseconds) const {
  return std::chrono::duration_cast<Clock::duration>(Milliseconds(milliseconds * options_.time_scale));
}

Engine::Clock::duration Engine::prefill_time(const CompletionRequest& request) const {
  return scaled(prefill_ms_per_token * static_cast<double>(request.words.size()));
}

}  // namespace emulated
