// SPDX-License-Identifier: Apache-2.0
#include "claims.hpp"

#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace emulated {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

asio::awaitable<Claims::Reply> Claims::claim(const nlohmann::json& params) {
  error_code error;
  const auto host = asio::ip::make_address(params["remote_host"].get<std::string>(), error);
  const auto port = params["remote_port"].get<std::uint64_t>();
  if (error || port == 0 || port > std::numeric_limits<std::uint16_t>::max())
    co_return Reply{.status = 404, .issued = {}};
  const Address address(host, static_cast<std::uint16_t>(port));

  http::request<http::string_body> question(http::verb::post, "/admin/claim", 11);
  question.set(http::field::host, "engine");
  question.body() = nlohmann::json{{"transfer_id", params["transfer_id"]}}.dump();
  question.prepare_payload();

  const auto ending = [&error] { return asio::redirect_error(asio::use_awaitable, error); };
  constexpr std::chrono::seconds longest{2};  // a stopped engine does not refuse connections
  Stream stream = take(address);
  stream.expires_after(longest);
  if (!stream.socket().is_open()) {
    co_await stream.async_connect(address, ending());
    if (error) co_return Reply{};
    stream.socket().set_option(asio::ip::tcp::no_delay(true), error);
  }
  http::response<http::string_body> answer;
  boost::beast::flat_buffer buffer;
  co_await http::async_write(stream, question, ending());
  if (!error) co_await http::async_read(stream, buffer, answer, ending());
  if (error) co_return Reply{};
  stream.expires_never();
  idle_[address].push_back(std::move(stream));

  Reply reply{.status = answer.result_int(), .issued = {}};
  if (reply.status == 200) reply.issued = nlohmann::json::parse(answer.body(), nullptr, false);
  co_return reply.issued.is_discarded() ? Reply{} : std::move(reply);
}

/// A connection that is still open, or a new one.
Claims::Stream Claims::take(const Address& address) {
  std::vector<Stream>& idle = idle_[address];
  while (!idle.empty()) {
    Stream stream = std::move(idle.back());
    idle.pop_back();
    char byte = 0;
    if (::recv(stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
      return stream;
  }
  return Stream(io_);
}

}  // namespace emulated
