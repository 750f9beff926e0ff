// SPDX-License-Identifier: Apache-2.0
// One request to one engine on behalf of a client, and its result.
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

/// One call of an engine. If it is destroyed before the reply is read to its end, it closes the connection, so the
/// engine sees that the reply is no longer wanted.
class EngineCall {
 public:
  using Duration = Config::Duration;
  struct Question {
    std::string_view target;
    std::string_view request_id;
    std::string_view authorization;
    std::string_view common;  ///< the first part of the body
    std::string_view tail;    ///< the second part of the body
  };

  EngineCall(EventLoop& loop, ClientConnection& client, const Engine& engine);
  EngineCall(const EngineCall&) = delete;
  EngineCall& operator=(const EngineCall&) = delete;
  ~EngineCall();

  /// Sends the request and waits for the head of the reply, for this long at most.
  boost::asio::awaitable<void> ask(Question question, Duration wait);
  /// Waits for more of the reply's body or for its end.
  boost::asio::awaitable<void> read_more(Duration wait);
  boost::asio::awaitable<void> read_all(Duration wait);

  /// The failure, or nothing. If the client went away, this looks like a failure, too, so check the client first.
  [[nodiscard]] std::optional<pdroute::FailureKind> failure() const noexcept { return failure_; }
  void makes_no_sense() noexcept { failure_ = pdroute::FailureKind::bad_response; }
  /// Whether the engine may have begun to work before it failed. It has not begun if it could not be reached, or if it
  /// refused the request with 429.
  [[nodiscard]] bool may_have_begun() const noexcept { return sent_ && failure_ != pdroute::FailureKind::overloaded; }

  // If there was no failure:
  /// Whether the engine says that the request is wrong: a status of 4xx other than 429.
  [[nodiscard]] bool rejected() const { return connection_->status() >= 400; }
  [[nodiscard]] bool reply_read() const { return connection_->reply_read(); }
  [[nodiscard]] std::string& body() { return connection_->body(); }
  [[nodiscard]] bool is_event_stream() const { return connection_->content_type().starts_with("text/event-stream"); }
  [[nodiscard]] Reply as_reply();

 private:
  void failed();

  EventLoop& loop_;
  ClientConnection& client_;
  const Engine& engine_;  // valid as long as its lease: until the reply has arrived
  std::size_t number_;
  std::unique_ptr<EngineConnection> connection_;
  std::optional<pdroute::FailureKind> failure_;
  bool sent_ = false;
};

}  // namespace gateway
