// SPDX-License-Identifier: Apache-2.0
// Deadlines for sockets. One timer serves a whole event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

namespace gateway {

class Deadline;

/// All deadlines of one event loop. It checks them forty times a second, so setting a deadline is one store. A timer
/// for every read would cost more than the read.
class Deadlines {
 public:
  explicit Deadlines(boost::asio::io_context& io) : timer_(io) {}

  /// Checks the deadlines until `expire_all`.
  boost::asio::awaitable<void> watch();
  /// Closes every socket at the end of the loop. Later sockets are closed as soon as they get a deadline.
  void expire_all();

 private:
  friend class Deadline;
  static constexpr std::chrono::milliseconds precision{25};

  boost::asio::steady_timer timer_;
  Deadline* first_ = nullptr;
  bool over_ = false;
};

/// Closes a socket when its time is up. Operations that wait for the socket then end with an error.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  Deadline(Deadlines& all, boost::asio::ip::tcp::socket& socket) noexcept;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline();

  void in(Clock::duration time);
  void never() noexcept { when_ = Clock::time_point::max(); }
  [[nodiscard]] bool expired() const noexcept { return expired_; }

 private:
  friend class Deadlines;
  void expire();

  Deadlines& all_;
  boost::asio::ip::tcp::socket& socket_;
  Clock::time_point when_ = Clock::time_point::max();
  bool expired_ = false;
  Deadline* next_;
  Deadline* previous_ = nullptr;
};

}  // namespace gateway
