// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstddef>
#include <utility>

namespace emulated {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket) : socket_(std::move(socket)), timer_(socket_.get_executor()) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

asio::awaitable<bool> Connection::read_request() {
  if (!open_) co_return false;
  constexpr std::size_t largest = std::size_t{64} << 20U;
  http::request_parser<http::string_body> parser;
  parser.body_limit(largest);
  error_code error;
  co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return false;
  open_ = parser.keep_alive();
  request_ = parser.release();
  co_return true;
}

std::string_view Connection::target() const {
  return view(request_.target());
}

std::string_view Connection::request_id() const {
  return view(request_["X-Request-Id"]);
}

asio::awaitable<void> Connection::write(std::string_view text) {
  co_await asio::async_write(socket_, asio::buffer(text.data(), text.size()), asio::use_awaitable);
}

asio::awaitable<void> Connection::pause_until(Clock::time_point moment) {
  if (moment > Clock::now()) {
    watch();
    pausing_ = true;
    timer_.expires_at(moment);
    error_code ignored;
    if (!gone_) co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    pausing_ = false;
  }
  if (gone_) throw boost::system::system_error(asio::error::eof);
}

/// A client that is readable but has sent nothing has closed its end.
void Connection::watch() {
  if (std::exchange(watching_, true)) return;
  socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    self->watching_ = false;
    if (error || !self->pausing_) return;
    char byte = 0;
    const auto size = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size > 0) return;  // it has sent its next request, so it is still there
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return self->watch();
    self->gone_ = true;
    self->timer_.cancel();
  });
}

void Connection::close() {
  open_ = false;
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace emulated
