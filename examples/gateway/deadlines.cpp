// SPDX-License-Identifier: Apache-2.0
#include "deadlines.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gateway {

Deadline::Deadline(Deadlines& all, boost::asio::ip::tcp::socket& socket) noexcept
    : all_(all), socket_(socket), next_(all.first_) {
  if (next_ != nullptr) next_->previous_ = this;
  all_.first_ = this;
}

Deadline::~Deadline() {
  (previous_ != nullptr ? previous_->next_ : all_.first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

void Deadline::in(Clock::duration time) {
  when_ = Clock::now() + time;
  expired_ = false;
  if (all_.over_) expire();
}

void Deadline::expire() {
  when_ = Clock::time_point::max();
  expired_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

boost::asio::awaitable<void> Deadlines::watch() {
  boost::system::error_code error;
  while (!over_) {
    timer_.expires_after(precision);
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
    const auto now = Deadline::Clock::now();
    for (Deadline* deadline = first_; deadline != nullptr; deadline = deadline->next_) {
      if (deadline->when_ <= now) deadline->expire();
    }
  }
}

void Deadlines::expire_all() {
  over_ = true;
  timer_.cancel();
  for (Deadline* deadline = first_; deadline != nullptr; deadline = deadline->next_) deadline->expire();
}

}  // namespace gateway
