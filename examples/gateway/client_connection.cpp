// SPDX-License-Identifier: Apache-2.0
#include "client_connection.hpp"

#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

namespace gateway {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

ClientConnection::ClientConnection(asio::ip::tcp::socket socket, EventLoop& loop)
    : loop_(loop), socket_(std::move(socket)), deadline_(loop.deadlines, socket_) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

asio::awaitable<bool> ClientConnection::read_request() {
  constexpr std::size_t piece = 16 * 1024;
  parser_.emplace();
  parser_->eager(true);
  parser_->header_limit(piece);
  parser_->body_limit(loop_.config.body_limit);
  bool begun = buffer_.size() > 0;
  bool continued = false;
  deadline_.in(begun ? loop_.config.timeouts.request : loop_.config.timeouts.idle);
  error_code error;
  while (true) {
    while (buffer_.size() > 0 && !parser_->is_done() && !error) buffer_.consume(parser_->put(buffer_.data(), error));
    if (error == http::error::need_more) error = {};
    // Beast limits the head and the body, but not chunk extensions and trailers.
    if (!error && !parser_->is_done() && buffer_.size() > piece) error = http::error::header_limit;
    if (!error && parser_->is_header_done() && !parser_->chunked() &&
        parser_->get().count(http::field::transfer_encoding))
      error = http::error::bad_transfer_encoding;  // a proxy before us might find another end of the body
    if (error) break;
    if (parser_->is_done()) {
      deadline_.never();
      keep_alive_ = parser_->keep_alive();
      co_return true;
    }
    if (!continued && parser_->is_header_done() && parser_->get()[http::field::expect] == "100-continue") {
      continued = true;
      co_await write(parts("HTTP/1.1 100 Continue\r\n\r\n"));
      deadline_.in(loop_.config.timeouts.request);
    }
    const std::size_t size =
        co_await socket_.async_read_some(buffer_.prepare(piece), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return false;
    buffer_.commit(size);
    if (!std::exchange(begun, true)) deadline_.in(loop_.config.timeouts.request);
  }
  close_after_reply();
  Reply reply = error == http::error::body_limit ? error_reply(413, "the body is too large", "body_too_large")
                : error == http::error::header_limit
                    ? error_reply(431, "the headers are too large", "headers_too_large")
                    : error_reply(400, "this is not HTTP: " + error.message(), "bad_http");
  co_await write(reply);
  // Closing the connection with unread data would reset it, and the reply might be lost.
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  deadline_.in(std::chrono::seconds{1});
  while (!error) {
    buffer_.clear();
    co_await socket_.async_read_some(buffer_.prepare(piece), asio::redirect_error(asio::use_awaitable, error));
  }
  co_return false;
}

asio::awaitable<void> ClientConnection::write(const Reply& reply, std::string_view request_id) {
  const std::string head = head_text({.status = reply.status,
                                      .content_type = reply.content_type,
                                      .more_headers = reply.more_headers,
                                      .request_id = request_id,
                                      .length = reply.body.size(),
                                      .keep_alive = keep_alive()});
  const bool head_only = parser_->get().method() == http::verb::head;
  co_await write(parts(head, head_only ? std::string_view{} : reply.body));
}

asio::awaitable<void> ClientConnection::write(Parts texts) {
  deadline_.in(loop_.config.timeouts.idle);
  error_code error;
  co_await asio::async_write(socket_, texts, asio::redirect_error(asio::use_awaitable, error));
  deadline_.never();
  if (error) gone_ = true;
}

void ClientConnection::work_begins(EngineConnection& engine) {
  engine_ = &engine;
  watch();
}

/// A client that is readable but sends nothing has closed its end. A client that sends its next request already counts
/// as present, and is no longer watched.
void ClientConnection::watch() {
  if (std::exchange(watching_, true)) return;
  socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    self->watching_ = false;
    if (error || self->engine_ == nullptr) return;
    char byte = 0;
    const auto size = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return self->watch();
    if (size <= 0) self->lost();
  });
}

void ClientConnection::lost() {
  gone_ = true;
  if (engine_ != nullptr) engine_->close();
}

void ClientConnection::close() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  socket_.close(ignored);
}

}  // namespace gateway
