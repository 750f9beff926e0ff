// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

#include <fmt/format.h>
#include <chrono>
#include <utility>

#include "event_stream.hpp"

namespace gateway {

namespace asio = boost::asio;
using pdroute::FailureKind;

namespace {

/// Whether the text can be the beginning of a stream of events, or a whole stream.
bool begins_well(EngineCall& call) {
  if (!call.is_event_stream() || !EventStream::can_begin(call.body())) return false;
  EventStream events;
  events.pass(call.body());
  return !call.reply_read() || events.ended();
}

}  // namespace

Completion::Completion(EventLoop& loop, ClientConnection& client, CompletionRequest request, std::string id)
    : loop_(loop),
      client_(client),
      request_(std::move(request)),
      id_(std::move(id)),
      prompt_{.tokens = request_.prompt_tokens()} {}

asio::awaitable<Leg> Completion::prefill(const Engine& engine) {
  EngineCall call(loop_, client_, engine);
  co_await call.ask(question(request_.prefill_tail()), loop_.config.timeouts.first_byte);
  co_await call.read_all(loop_.config.timeouts.idle);
  if (!call.failure() && !call.rejected()) {
    transfer_ = transfer_in(call.body());
    if (!transfer_) call.makes_no_sense();
  }
  if (client_.gone()) co_return Leg::client_gone;
  if (call.failure()) co_return failed(pdroute::Role::prefill, engine, call);
  if (!call.rejected()) co_return Leg::done;
  reply_ = call.as_reply();
  co_return Leg::rejected;
}

asio::awaitable<Leg> Completion::decode(const Engine& engine, const std::function<void(std::uint64_t)>& tokens_came) {
  const auto& timeouts = loop_.config.timeouts;
  const auto wait = request_.stream() ? timeouts.first_byte : timeouts.answer;
  const std::string tail = request_.decode_tail(*transfer_);
  EngineCall call(loop_, client_, engine);
  co_await call.ask(question(tail), wait);
  const bool stream = !call.failure() && !call.rejected() && request_.stream();
  if (!stream) {
    co_await call.read_all(timeouts.idle);
    if (!call.failure() && !call.rejected() && !is_json(call.body())) call.makes_no_sense();
  } else {
    while (!call.failure() && !call.reply_read() && call.body().empty()) co_await call.read_more(wait);
    if (!call.failure() && !begins_well(call)) call.makes_no_sense();
    if (!call.failure() && co_await relay(call, tokens_came) == Leg::done) co_return Leg::done;
  }
  if (call.failure() || client_.gone()) {
    if (call.may_have_begun()) transfer_.reset();
    co_return failed(pdroute::Role::decode, engine, call);
  }
  reply_ = call.as_reply();
  co_return call.rejected() ? Leg::rejected : Leg::done;
}

/// Passes a stream on piece by piece. The next piece is read when the client has taken the last one.
asio::awaitable<Leg> Completion::relay(EngineCall& call, const std::function<void(std::uint64_t)>& tokens_came) {
  if (client_.http_1_0()) client_.close_after_reply();
  std::string head = head_text({.content_type = "text/event-stream",
                                .request_id = id_,
                                .chunked = !client_.http_1_0(),
                                .keep_alive = client_.keep_alive()});
  EventStream events;
  while (true) {
    std::string& piece = call.body();
    tokens_came(events.pass(piece));  // an event is about one token
    const bool whole = events.ended();
    if (call.reply_read() && !whole) call.makes_no_sense();
    if (call.failure()) co_return Leg::failed;
    answer_begun_ = true;
    co_await write_piece(head, piece, whole);
    if (client_.gone()) co_return Leg::client_gone;
    if (whole) {
      if (!call.reply_read()) co_await call.read_more(std::chrono::seconds{1});  // the end of the last chunk
      co_return Leg::done;
    }
    head.clear();
    piece.clear();
    while (!call.failure() && !call.reply_read() && piece.empty()) co_await call.read_more(loop_.config.timeouts.idle);
    if (call.failure()) co_return Leg::failed;
  }
}

asio::awaitable<void> Completion::write_piece(std::string_view head, std::string_view piece, bool last) {
  const bool chunked = !client_.http_1_0();
  const std::string size = chunked && !piece.empty() ? fmt::format("{:x}\r\n", piece.size()) : "";
  const std::string_view end = !chunked ? "" : !last ? "\r\n" : piece.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n";
  co_await client_.write(parts(head, size, piece, end));
}

Leg Completion::failed(pdroute::Role role, const Engine& engine, const EngineCall& call) {
  if (client_.gone()) return Leg::client_gone;  // then the gateway itself closed the connection
  failure_ = *call.failure();
  what_failed_ = fmt::format("{} engine {}: {}", to_string(role), engine.id, to_string(failure_));
  return Leg::failed;
}

asio::awaitable<Ending> Completion::answer() {
  if (!reply_) co_return Ending::answered;  // it was a stream, and the client has received all of it
  co_return co_await say(reply_->status < 400 ? Ending::answered : Ending::client_error, *reply_);
}

asio::awaitable<Ending> Completion::refuse(const pdroute::NoEndpoint& reason) {
  const Reply reply = error_reply(reason, what_failed_);
  co_return co_await say(Ending::refused, reply);
}

asio::awaitable<Ending> Completion::give_up() {
  if (answer_begun_) {
    client_.close_after_reply();  // the reply gets no proper end, so that the client knows that it is not whole
    const std::string event = fmt::format("data: {}\n\n", error_json(502, what_failed_, "engine_error"));
    co_await write_piece({}, event, false);
    co_return client_.gone() ? Ending::cancelled : Ending::engine_error;
  }
  const unsigned status = failure_ == FailureKind::overloaded ? 429 : failure_ == FailureKind::timed_out ? 504 : 502;
  Reply reply = error_reply(status, fmt::format("engines failed, the last was {}", what_failed_), "engine_error");
  if (status == 429) reply.more_headers = "Retry-After: 1\r\n";
  co_return co_await say(Ending::engine_error, reply);
}

asio::awaitable<Ending> Completion::say(Ending ending, const Reply& reply) {
  co_await client_.write(reply, id_);
  co_return client_.gone() ? Ending::cancelled : ending;
}

EngineCall::Question Completion::question(std::string_view tail) const {
  const auto& head = client_.request();
  const auto view = [](boost::beast::string_view text) { return std::string_view(text.data(), text.size()); };
  return {.target = view(head.target().substr(0, head.target().find('?'))),
          .request_id = id_,
          .authorization = view(head[boost::beast::http::field::authorization]),
          .common = request_.common(),
          .tail = tail};
}

}  // namespace gateway
