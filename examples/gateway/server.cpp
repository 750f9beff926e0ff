// SPDX-License-Identifier: Apache-2.0
#include "server.hpp"

#include <sys/socket.h>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "completion.hpp"
#include "counters.hpp"

namespace gateway {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using pdroute::Role;

namespace {

void start(EventLoop& loop, asio::awaitable<void> task) {
  asio::co_spawn(loop.io, std::move(task), asio::detached);
}

/// The target of a request without its query.
std::string_view path_of(const ClientConnection::Request& request) {
  const auto target = request.target();
  const std::string_view text(target.data(), target.size());
  return text.substr(0, text.find('?'));
}

Reply method_not_allowed(std::string_view allowed) {
  Reply reply = error_reply(405, fmt::format("this takes {}", allowed), "method_not_allowed");
  reply.more_headers = fmt::format("Allow: {}\r\n", allowed);
  return reply;
}

Reply models_page(std::string_view model) {
  const nlohmann::json entry{{"id", model}, {"object", "model"}, {"created", 0}, {"owned_by", "pdroute"}};
  return {.body = nlohmann::json{{"object", "list"}, {"data", nlohmann::json::array({entry})}}.dump()};
}

}  // namespace

Server::Server(const Config& config, Routing& routing, std::uint64_t process)
    : config_(config),
      routing_(routing),
      health_(config, [&routing](const std::string& id, pdroute::Health health) { routing.set_health(id, health); }),
      process_(process) {
  for (std::size_t i = 0; i < config_.threads; ++i) loops_.push_back(std::make_unique<Loop>(config_, health_, i));
}

void Server::run() {
  EventLoop& first = loops_.front()->loop;
  asio::signal_set signals(first.io, SIGTERM, SIGINT);  // before listening: a signal may follow the printed address
  listen();
  signals.async_wait([this, &signals](boost::system::error_code error, int /*signal*/) {
    signals.clear();  // a second signal ends the process at once
    if (!error) drain();
  });
  health_.start(first);
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < loops_.size(); ++i) threads.emplace_back([this, i] { loops_[i]->loop.io.run(); });
  first.io.run();
}

void Server::listen() {
  auto address = config_.listen;
  for (auto& each : loops_) {
    auto& acceptor = each->acceptor;
    acceptor.open(address.protocol());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    if (&each == &loops_.front()) {  // shared ports must not hide that another process has this one
      asio::ip::tcp::acceptor alone(each->loop.io, address.protocol());
      alone.set_option(asio::socket_base::reuse_address(true));
      alone.bind(address);
    }
    acceptor.set_option(asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true));
    acceptor.bind(address);
    acceptor.listen();
    address = acceptor.local_endpoint();  // the other loops use the port of the first
    start(each->loop, accept(*each));
    start(each->loop, each->loop.deadlines.watch());
  }
  const std::string host = address.address().to_string();
  fmt::print("listening on {}:{}\n", address.address().is_v6() ? "[" + host + "]" : host, address.port());
  std::fflush(stdout);
}

asio::awaitable<void> Server::accept(Loop& at) {
  boost::system::error_code error;
  asio::steady_timer pause(at.loop.io);
  while (true) {
    auto socket = co_await at.acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!at.acceptor.is_open()) co_return;
    if (error) {  // for example no descriptors are left; some will be free soon
      pause.expires_after(std::chrono::milliseconds{100});
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    start(at.loop, serve(at, std::make_shared<ClientConnection>(std::move(socket), at.loop)));
  }
}

asio::awaitable<void> Server::serve(Loop& at, std::shared_ptr<ClientConnection> client) {
  while (co_await client->read_request()) {
    const std::string_view path = path_of(client->request());
    if (path == "/v1/completions" || path == "/v1/chat/completions") {
      co_await complete(at, *client, path == "/v1/completions" ? CompletionKind::text : CompletionKind::chat);
    } else {
      const Reply reply = page(path, client->request().method());
      co_await client->write(reply);
    }
    if (!client->keep_alive() || client->gone()) break;
  }
  client->close();
}

/// Serves a completion request and counts its start and its end.
asio::awaitable<void> Server::complete(Loop& at, ClientConnection& client, CompletionKind kind) {
  Ticket ticket(at.loop.counters);
  if (client.request().method() != http::verb::post) {
    const Reply reply = method_not_allowed("POST");
    co_await client.write(reply);
    co_return ticket.ends_as(Ending::client_error);
  }
  auto request = CompletionRequest::read(kind, client.request().body(), config_.model);
  if (!request) {
    const Reply reply = error_reply(request.error());
    co_await client.write(reply);
    co_return ticket.ends_as(Ending::client_error);
  }
  // The client's own id is not used, since engines find each other by the id.
  std::string id = fmt::format("{:016x}-{:x}-{:x}", process_, at.number, at.requests++);
  Completion completion(at.loop, client, std::move(*request), std::move(id));
  ticket.ends_as(co_await routing_.serve(at.number, completion));
}

Reply Server::page(std::string_view path, http::verb method) const {
  const bool known = path == "/v1/models" || path == "/health" || path == "/ready" || path == "/metrics";
  if (!known) return error_reply(404, fmt::format("there is nothing at {}", path), "not_found");
  if (method != http::verb::get) return method_not_allowed("GET");
  if (path == "/v1/models") return models_page(config_.model);
  if (path == "/health") return {.body = R"({"status":"ok"})"};
  if (path == "/ready") return ready_page();
  return metrics_page();
}

/// Whether the gateway is ready for requests: each role has an eligible endpoint, and the gateway is not draining.
Reply Server::ready_page() const {
  if (draining_) return error_reply(503, "the gateway is draining", "draining");
  for (const Role role : {Role::prefill, Role::decode}) {
    if (!routing_.has_eligible(role))
      return error_reply(503, fmt::format("no eligible endpoint for {}", to_string(role)), "no_endpoint");
  }
  return {.body = R"({"status":"ready"})"};
}

Reply Server::metrics_page() const {
  Reply reply{.content_type = "text/plain; version=0.0.4"};
  routing_.append_metrics(reply.body);
  std::vector<const Counters*> counters;
  for (const auto& each : loops_) counters.push_back(&each->loop.counters);
  append_counters(reply.body, counters);
  return reply;
}

void Server::drain() {
  draining_ = true;
  for (auto& each : loops_) {
    asio::post(each->loop.io, [this, &at = *each] { start(at.loop, drain(at)); });
  }
}

/// Stops accepting connections. Requests on open connections may end within the configured time.
asio::awaitable<void> Server::drain(Loop& at) {
  at.acceptor.close();
  at.loop.draining = true;
  const auto end = std::chrono::steady_clock::now() + config_.drain;
  boost::system::error_code ignored;
  asio::steady_timer pause(at.loop.io);
  while (running() > 0 && std::chrono::steady_clock::now() < end) {
    pause.expires_after(std::chrono::milliseconds{10});
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (at.number == 0) health_.stop();
  at.loop.deadlines.expire_all();  // all remaining operations end with an error, so the loop runs out of work
}

/// The running completion requests of all loops.
std::uint64_t Server::running() const {
  std::uint64_t count = 0;
  for (const auto& each : loops_) count += each->loop.counters.running();
  return count;
}

}  // namespace gateway
