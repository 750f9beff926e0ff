// SPDX-License-Identifier: Apache-2.0
// The life of one completion request: two engines are chosen, prefill computes the prompt, decode answers, and what
// fails is tried elsewhere as long as the client has seen nothing.
#pragma once

#include <fmt/format.h>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "allocations.hpp"
#include "client_connection.hpp"
#include "completion_request.hpp"
#include "counters.hpp"
#include "engine_call.hpp"
#include "event_loop.hpp"
#include "event_stream.hpp"
#include "health.hpp"
#include "reply.hpp"

namespace gateway {

/// Destroying it at any moment ends everything it has begun: the connection to the engine is closed, the leases are
/// cancelled, and the ticket says so.
///
/// Another engine is tried, and never one that this request has failed on:
/// - A prefill that fails is repeated elsewhere; decode keeps its place.
/// - A decode engine that could not be reached, or has turned the request away, has not touched the computed prompt, so
///   another one gets it.
/// - A decode engine that fails later may have fetched the prompt, which can be fetched once. It is computed again: a
///   new route, both legs.
template <class Router>
class Completion {
 public:
  Completion(EventLoop& loop, typename Router::Dispatcher& dispatcher, Health<Router>& health, ClientConnection& client,
             CompletionRequest request, std::string request_id)
      : loop_(loop),
        dispatcher_(dispatcher),
        health_(health),
        client_(client),
        request_(std::move(request)),
        id_(std::move(request_id)),
        prompt_{.tokens = request_.prompt_tokens()} {}

  boost::asio::awaitable<Ending> run() {
    auto nobody = choose();
    for (unsigned retries = 0; !nobody;) {
      const auto ending = transfer_ ? co_await decode() : co_await prefill();
      if (ending) co_return *ending;
      if (client_.gone()) co_return Ending::cancelled;
      if (transfer_ && route_.decode) continue;  // the prompt is computed
      if (retries++ == loop_.config.retries) co_return co_await give_up();
      Counters::add(loop_.counters.retries, 1);
      nobody = choose();
    }
    const Reply reply = error_reply(*nobody);
    co_return co_await say(Ending::refused, reply);
  }

 private:
  using Step = boost::asio::awaitable<std::optional<Ending>>;  // nothing: there is another step

  /// Fills the leases that are missing. Returns why there is nobody.
  std::optional<pdroute::NoEndpoint> choose() {
    const std::uint64_t before = allocations_of_this_thread();
    std::optional<pdroute::NoEndpoint> nobody;
    const auto keep = [&nobody](auto& place, auto&& chosen) {
      if (chosen) {
        place = std::move(*chosen);
      } else {
        nobody = chosen.error();
      }
    };
    if (transfer_) {
      keep(route_.decode, dispatcher_.decode(prompt_, {.exclude = failed_}));
    } else if (route_.decode) {
      keep(route_.prefill, dispatcher_.prefill(prompt_, {.exclude = failed_}));
    } else {
      keep(route_, dispatcher_.route(prompt_, {.prefill = {.exclude = failed_}, .decode = {.exclude = failed_}}));
    }
    Counters::add(loop_.counters.choices, 1);
    Counters::add(loop_.counters.choice_allocations, allocations_of_this_thread() - before);
    return nobody;
  }

  Step prefill() {
    EngineCall call(loop_, client_, *route_.prefill);
    co_await call.ask(question(request_.prefill_tail()), loop_.config.timeouts.first_byte);
    co_await call.read_all(loop_.config.timeouts.idle);
    if (!call.failure() && !call.rejected()) {
      transfer_ = transfer_in(call.body());
      if (!transfer_) call.makes_no_sense();
    }
    if (call.failure()) co_return failed(route_.prefill, call);
    route_.first_token();
    if (call.rejected()) co_return co_await pass_on_rejection(call);
    co_return std::nullopt;
  }

  Step decode() {
    const auto& timeouts = loop_.config.timeouts;
    const auto wait = request_.stream() ? timeouts.first_byte : timeouts.answer;
    const std::string tail = request_.decode_tail(*transfer_);
    EngineCall call(loop_, client_, *route_.decode);
    co_await call.ask(question(tail), wait);
    const bool stream = !call.failure() && !call.rejected() && request_.stream();
    if (!stream) {
      co_await call.read_all(timeouts.idle);
      if (!call.failure() && !call.rejected() && !is_json(call.body())) call.makes_no_sense();
    } else {
      while (!call.failure() && !call.reply_read() && call.body().empty()) co_await call.read_more(wait);
      if (!call.failure() && !begins_well(call)) call.makes_no_sense();
    }
    if (call.failure()) {
      if (call.may_have_begun()) transfer_.reset();
      co_return failed(route_.decode, call);
    }
    if (call.rejected()) {
      route_.decode.complete();
      co_return co_await pass_on_rejection(call);
    }
    if (stream) co_return co_await relay(call);
    route_.complete();
    const Reply reply = call.as_reply();
    co_return co_await say(Ending::answered, reply);
  }

  /// Whether this can be the beginning of a stream of events, or a whole one.
  [[nodiscard]] static bool begins_well(EngineCall& call) {
    if (!call.is_event_stream() || !EventStream::can_begin(call.body())) return false;
    EventStream events;
    events.pass(call.body());
    return !call.reply_read() || events.ended();
  }

  /// Passes a stream on, piece by piece: the next is read when the client has taken the last.
  boost::asio::awaitable<Ending> relay(EngineCall& call) {
    const bool chunked = !client_.http_1_0();
    if (!chunked) client_.close_after_reply();
    std::string head = head_text({.content_type = "text/event-stream",
                                  .request_id = id_,
                                  .chunked = chunked,
                                  .keep_alive = client_.keep_alive()});
    EventStream events;
    while (true) {
      std::string& piece = call.body();
      route_.decode.progress(events.pass(piece));  // an event is a token, more or less
      const bool whole = call.reply_read() && events.ended();
      if (call.reply_read() && !whole) call.makes_no_sense();
      if (!call.failure()) {
        co_await write_piece(head, piece, chunked, whole);
        if (client_.gone()) co_return Ending::cancelled;
        if (whole) break;
        head.clear();
        piece.clear();
        while (!call.failure() && !call.reply_read() && piece.empty())
          co_await call.read_more(loop_.config.timeouts.idle);
      }
      if (call.failure()) co_return co_await break_off(call, chunked);
    }
    route_.complete();
    co_return Ending::answered;
  }

  boost::asio::awaitable<void> write_piece(std::string_view head, std::string_view piece, bool chunked, bool last) {
    const std::string size = chunked && !piece.empty() ? fmt::format("{:x}\r\n", piece.size()) : "";
    const std::string_view end = !chunked ? "" : !last ? "\r\n" : piece.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n";
    co_await client_.write(parts(head, size, piece, end));
  }

  /// Too late for another engine: the client is told within the stream, which then ends before its time.
  boost::asio::awaitable<Ending> break_off(EngineCall& call, bool chunked) {
    if (client_.gone()) co_return Ending::cancelled;
    static_cast<void>(failed(route_.decode, call));
    client_.close_after_reply();
    const std::string event = fmt::format("data: {}\n\n", error_json(502, what_failed_, "engine_error"));
    co_await write_piece({}, event, chunked, false);
    co_return Ending::engine_error;
  }

  /// Ends the lease of an engine that has failed.
  template <class Lease>
  std::optional<Ending> failed(Lease& lease, const EngineCall& call) {
    if (client_.gone()) return Ending::cancelled;  // that was us, for the client's sake
    last_failure_ = *call.failure();
    what_failed_ = fmt::format("{} engine {}: {}", to_string(Lease::role), lease.id(), to_string(last_failure_));
    if (last_failure_ == pdroute::FailureKind::unreachable) health_.failed(*lease);
    lease.fail(last_failure_, failed_);
    return std::nullopt;
  }

  boost::asio::awaitable<Ending> give_up() {
    const unsigned status = last_failure_ == pdroute::FailureKind::overloaded  ? 429
                            : last_failure_ == pdroute::FailureKind::timed_out ? 504
                                                                               : 502;
    Reply reply =
        error_reply(status, fmt::format("too many engines failed, the last was {}", what_failed_), "engine_error");
    if (status == 429) reply.more_headers = "Retry-After: 1\r\n";
    co_return co_await say(Ending::engine_error, reply);
  }

  /// The request is at fault; the engine did its work.
  boost::asio::awaitable<Ending> pass_on_rejection(EngineCall& call) {
    const Reply reply = call.as_reply();
    co_return co_await say(Ending::client_error, reply);
  }

  boost::asio::awaitable<Ending> say(Ending ending, const Reply& reply) {
    co_await client_.write(reply, id_);
    co_return client_.gone() ? Ending::cancelled : ending;
  }

  [[nodiscard]] EngineCall::Question question(std::string_view tail) const {
    const auto& head = client_.request();
    const auto view = [](boost::beast::string_view text) { return std::string_view(text.data(), text.size()); };
    return {.target = view(head.target()),
            .request_id = id_,
            .authorization = view(head[boost::beast::http::field::authorization]),
            .common = request_.common(),
            .tail = tail};
  }

  EventLoop& loop_;
  typename Router::Dispatcher& dispatcher_;
  Health<Router>& health_;
  ClientConnection& client_;
  CompletionRequest request_;
  std::string id_;
  Prompt prompt_;
  typename Router::Route route_{};
  pdroute::FailedEndpoints<> failed_;
  std::optional<std::string> transfer_;  // of the computed prompt, to be fetched by decode
  pdroute::FailureKind last_failure_{};
  std::string what_failed_;
};

}  // namespace gateway
