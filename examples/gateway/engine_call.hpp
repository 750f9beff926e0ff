// SPDX-License-Identifier: Apache-2.0
// One request to one engine on behalf of a client, and what came of it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <pdroute/outcome.hpp>
#include <string>
#include <string_view>

#include "client_connection.hpp"
#include "engine.hpp"
#include "engine_connection.hpp"
#include "event_loop.hpp"

namespace gateway {

/// Destroyed before the reply has been read to its end, it closes the connection: the engine sees that nobody waits.
class EngineCall {
 public:
  using Duration = Config::Duration;
  struct Question {
    std::string_view target;
    std::string_view request_id;
    std::string_view authorization;
    std::string_view common;  ///< the body's first part
    std::string_view tail;    ///< and its second
  };

  EngineCall(EventLoop& loop, ClientConnection& client, const Engine& engine);
  EngineCall(const EngineCall&) = delete;
  EngineCall& operator=(const EngineCall&) = delete;
  ~EngineCall();

  /// Asks, and waits so long for the head of the reply.
  boost::asio::awaitable<void> ask(Question question, Duration wait);
  /// Waits for more of the reply's body, or for its end.
  boost::asio::awaitable<void> read_more(Duration wait);
  boost::asio::awaitable<void> read_all(Duration wait);

  /// What went wrong, if anything. A client that went away looks like a failure, too: ask it first.
  [[nodiscard]] std::optional<pdroute::FailureKind> failure() const noexcept { return failure_; }
  void makes_no_sense() noexcept { failure_ = pdroute::FailureKind::bad_response; }
  /// Whether the engine may have begun to work before it failed. It has not if it could not be reached or has turned
  /// the request away.
  [[nodiscard]] bool may_have_begun() const noexcept { return sent_ && failure_ != pdroute::FailureKind::overloaded; }

  // If there was no failure:
  /// The engine says that the request is at fault: a status of 4xx but 429.
  [[nodiscard]] bool rejected() const { return connection_->status() >= 400; }
  [[nodiscard]] bool reply_read() const { return connection_->reply_read(); }
  [[nodiscard]] std::string& body() { return connection_->body(); }
  [[nodiscard]] bool is_event_stream() const { return connection_->content_type().starts_with("text/event-stream"); }
  [[nodiscard]] Reply as_reply();

 private:
  void failed();

  EventLoop& loop_;
  ClientConnection& client_;
  const Engine& engine_;  // as long as its lease: until the reply has come
  std::size_t number_;
  std::unique_ptr<EngineConnection> connection_;
  std::optional<pdroute::FailureKind> failure_;
  bool sent_ = false;
};

}  // namespace gateway
