// SPDX-License-Identifier: Apache-2.0
#include "engine_connection.hpp"

#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/none.hpp>
#include <cerrno>
#include <utility>

namespace gateway {

namespace asio = boost::asio;
namespace http = boost::beast::http;

asio::awaitable<EngineConnection::Error> EngineConnection::connect(const asio::ip::tcp::endpoint& address,
                                                                   Duration timeout) {
  Error error;
  deadline_.in(timeout);
  if (deadline_.expired()) co_return asio::error::operation_aborted;  // the event loop has ended
  co_await socket_.async_connect(address, asio::redirect_error(asio::use_awaitable, error));
  if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
  co_return error;
}

asio::awaitable<EngineConnection::Error> EngineConnection::send(Parts texts, Duration timeout) {
  Error error;
  deadline_.in(timeout);
  reply_.emplace();
  reply_->eager(true);
  reply_->body_limit(boost::none);
  co_await asio::async_write(socket_, texts, asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

asio::awaitable<EngineConnection::Error> EngineConnection::read_some(Duration timeout) {
  constexpr std::size_t piece = 16 * 1024;
  Error error;
  deadline_.in(timeout);
  const std::size_t size =
      co_await socket_.async_read_some(buffer_.prepare(piece), asio::redirect_error(asio::use_awaitable, error));
  deadline_.never();  // the client may read slowly, which is no failure of the engine
  if (error == asio::error::eof && reply_->got_some()) {
    error = {};
    reply_->put_eof(error);  // ends the body if nothing else marks its end
    if (!error && !reply_->is_done()) error = asio::error::eof;
  }
  if (error) co_return error;
  buffer_.commit(size);
  while (buffer_.size() > 0 && !reply_->is_done() && !error) buffer_.consume(reply_->put(buffer_.data(), error));
  if (error == http::error::need_more) error = {};
  if (!error && !reply_->is_done() && buffer_.size() > piece) error = http::error::header_limit;  // around a chunk
  co_return error;
}

std::string_view EngineConnection::content_type() const {
  const auto type = reply_->get()[http::field::content_type];
  return {type.data(), type.size()};
}

bool EngineConnection::reusable() const {
  return socket_.is_open() && reply_ && reply_->is_done() && reply_->keep_alive() && buffer_.size() == 0;
}

bool EngineConnection::alive() {
  if (!socket_.is_open()) return false;
  char byte = 0;
  return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void EngineConnection::close() {
  Error ignored;
  socket_.close(ignored);
}

std::unique_ptr<EngineConnection> IdleConnections::take(std::size_t engine) {
  auto& waiting = idle_[engine];
  while (!waiting.empty()) {
    std::unique_ptr<EngineConnection> connection = std::move(waiting.back());
    waiting.pop_back();
    if (connection->alive()) return connection;
  }
  return nullptr;
}

void IdleConnections::give_back(std::size_t engine, std::unique_ptr<EngineConnection> connection) {
  if (!connection->reusable()) return;
  auto& waiting = idle_[engine];
  std::erase_if(waiting, [](const auto& other) { return !other->is_open(); });  // idle for too long
  connection->rest(longest_rest);
  waiting.push_back(std::move(connection));
}

}  // namespace gateway
