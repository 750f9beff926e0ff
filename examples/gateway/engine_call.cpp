// SPDX-License-Identifier: Apache-2.0
#include "engine_call.hpp"

#include <fmt/format.h>
#include <iterator>
#include <utility>

#include "health.hpp"

namespace gateway {

namespace asio = boost::asio;
using pdroute::FailureKind;

EngineCall::EngineCall(EventLoop& loop, ClientConnection& client, const Engine& engine)
    : loop_(loop), client_(client), engine_(engine), number_(engine.number) {}

EngineCall::~EngineCall() {
  client_.work_ended();
  if (connection_ && !failure_) loop_.idle_connections.give_back(number_, std::move(connection_));
}

asio::awaitable<void> EngineCall::ask(Question question, Duration wait) {
  connection_ = loop_.idle_connections.take(number_);
  const bool fresh = !connection_;
  if (fresh) connection_ = std::make_unique<EngineConnection>(loop_.io, loop_.deadlines);
  client_.work_begins(*connection_);
  if (fresh) {
    if (const auto error = co_await connection_->connect(engine_.address, loop_.config.timeouts.connect)) {
      failure_ = FailureKind::unreachable;
      // No failure of the engine if the gateway itself broke off, or has no descriptors left.
      if (!client_.gone() && error != asio::error::no_descriptors) loop_.health.failed(engine_);
      co_return;
    }
  }

  std::string head = fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-Request-Id: {}\r\n",
      question.target, engine_.host, question.common.size() + question.tail.size(), question.request_id);
  if (!question.authorization.empty())
    fmt::format_to(std::back_inserter(head), "Authorization: {}\r\n", question.authorization);
  head += "\r\n";
  const auto error =
      co_await connection_->send(parts(head, question.common, question.tail), loop_.config.timeouts.idle);
  if (error) co_return failed();
  sent_ = true;

  while (!failure_ && !connection_->head_read()) co_await read_more(wait);
  if (failure_) co_return;
  const unsigned status = connection_->status();
  if (status == 429) {
    failure_ = FailureKind::overloaded;
  } else if (status != 200 && (status < 400 || status >= 500)) {
    failure_ = FailureKind::bad_response;
  }
}

asio::awaitable<void> EngineCall::read_more(Duration wait) {
  const auto error = co_await connection_->read_some(wait);
  if (error) failed();
}

asio::awaitable<void> EngineCall::read_all(Duration wait) {
  constexpr std::size_t longest = std::size_t{64} << 20U;  // a reply of a healthy engine is far smaller
  while (!failure_ && !reply_read()) {
    co_await read_more(wait);
    if (body().size() > longest) makes_no_sense();
  }
}

Reply EngineCall::as_reply() {
  return {.status = connection_->status(),
          .body = std::move(connection_->body()),
          .content_type = std::string(connection_->content_type())};
}

void EngineCall::failed() {
  failure_ = connection_->timed_out() ? FailureKind::timed_out : FailureKind::bad_response;
}

}  // namespace gateway
