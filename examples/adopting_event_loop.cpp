// SPDX-License-Identifier: Apache-2.0
// A gateway of event loops: one dispatcher per loop, and both leases in the state of each request.
#include <fmt/core.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

using pdroute::FailureKind;

struct Engine {
  std::string id;
  pdroute::Capacity capacity = {};
};
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;
using Answer = std::optional<FailureKind>;  // how an engine failed; no value means that all went well

// Stands for a loop and its sockets: the callbacks that wait, and the answer that each engine will give.
struct EventLoop {
  std::deque<std::function<void()>> callbacks;
  std::map<std::string, Answer> next_answer;

  void call(const std::string& engine, std::function<void(Answer)> done) {
    const Answer answer = std::exchange(next_answer[engine], std::nullopt);
    callbacks.emplace_back([done = std::move(done), answer] { done(answer); });
  }
  void run() {
    for (; !callbacks.empty(); callbacks.pop_front()) callbacks.front()();
  }
};

// What the gateway keeps for a running request. Move it, or the route in it, to wherever the request goes.
struct RequestState {
  pdroute::Request facts;
  Router::Route route;                // both leases: they end with this object at the latest
  pdroute::FailedEndpoints<> failed;  // not to be tried again
};

// One per loop and thread; the router is shared by all of them.
class Gateway {
 public:
  Gateway(const Router& router, EventLoop& loop) : dispatcher_(router.dispatcher()), loop_(&loop) {}

  void on_request(int number, const pdroute::Request& facts) {
    auto route = dispatcher_.route(facts);
    if (!route) return refuse(number, route.error());
    fmt::print("{}: {}\n", number, *route);
    const RequestState& request = requests_[number] = {facts, std::move(*route), {}};
    send(number, *request.route.prefill, &Gateway::on_prompt_answer);
  }

  // Destroying the state ends the leases: the places are free at once, and the engines get no blame.
  void on_client_gone(int number) { forget(number); }

 private:
  void send(int number, const Engine& engine, void (Gateway::*then)(int, Answer)) {
    loop_->call(engine.id, [this, number, then](Answer answer) { (this->*then)(number, answer); });
  }

  void on_prompt_answer(int number, Answer answer) {
    const auto found = requests_.find(number);
    if (found == requests_.end()) return;  // the client has gone meanwhile
    RequestState& request = found->second;
    if (!answer) {
      request.route.first_token();  // the prompt is computed: its place is free, decode goes on
      return send(number, *request.route.decode, &Gateway::on_decode_answer);
    }
    auto another = dispatcher_.prefill(request.facts, {.exclude = give_up(request, request.route.prefill, *answer)});
    if (!another) return refuse(number, another.error());
    request.route.prefill = std::move(*another);
    send(number, *request.route.prefill, &Gateway::on_prompt_answer);
  }

  void on_decode_answer(int number, Answer answer) {
    const auto found = requests_.find(number);
    if (found == requests_.end()) return;
    RequestState& request = found->second;
    if (!answer) {
      request.route.complete();  // the last token
      return forget(number);
    }
    if (*answer == FailureKind::bad_response) {  // the client has seen tokens: too late for another engine
      request.route.decode.fail(*answer);
      fmt::print("{}: the stream broke off\n", number);
      return forget(number);
    }
    // No byte has reached the client: keep the computed prompt and try another decode engine.
    auto another = dispatcher_.decode(request.facts, {.exclude = give_up(request, request.route.decode, *answer)});
    if (!another) return refuse(number, another.error());
    request.route.decode = std::move(*another);
    fmt::print("{}: now {}\n", number, request.route.decode);
    send(number, *request.route.decode, &Gateway::on_decode_answer);
  }

  template <class Lease>
  const pdroute::FailedEndpoints<>& give_up(RequestState& request, Lease& lease, FailureKind kind) {
    lease.fail(kind, request.failed);
    return request.failed;
  }

  void refuse(int number, const pdroute::NoEndpoint& reason) {
    // An endpoint at its limit counts as full, and so does one that has said 429 to this request.
    fmt::print("{}: {} ({})\n", number, reason.overloaded() ? 429 : 503, reason.text());
    forget(number);
  }

  void forget(int number) { requests_.erase(number); }

  Router::Dispatcher dispatcher_;
  EventLoop* loop_;
  std::map<int, RequestState> requests_;
};

int main() {
  const std::vector<Engine> prefill{{"p0"}, {"p1"}};
  const std::vector<Engine> decode{{"d0", {.requests = 1}}, {"d1", {.requests = 1}}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  EventLoop loop;
  Gateway gateway{router, loop};

  const auto serve = [&](int number) { gateway.on_request(number, {.prompt_tokens = 800}), loop.run(); };
  loop.next_answer["d1"] = FailureKind::unreachable;
  serve(1);
  serve(2);
  for (int number : {3, 4, 5}) gateway.on_request(number, {});  // the decode engines have room for two
  gateway.on_client_gone(3);
  loop.run();
  loop.next_answer["d0"] = loop.next_answer["d1"] = FailureKind::overloaded;
  serve(6);
  loop.next_answer["d0"] = loop.next_answer["d1"] = FailureKind::bad_response;
  serve(7);
  for (const char* id : {"p0", "p1"}) router.set_health(id, pdroute::Health::unhealthy);
  serve(8);

  for (const auto& status : router.endpoints(pdroute::Role::decode)) {
    const pdroute::Outcomes& ends = status.outcomes;
    fmt::print("{}: {} completed, {} failed, {} turned away, {} cancelled\n", status.id, ends.completed, ends.failed(),
               ends.overloaded, ends.cancelled);
  }
}
