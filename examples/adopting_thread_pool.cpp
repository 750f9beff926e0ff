// SPDX-License-Identifier: Apache-2.0
// A gateway of callbacks on a thread pool: one thread chooses an engine, another one handles its answer.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using pdroute::Role;
using namespace std::chrono_literals;

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;

class ThreadPool {
 public:
  explicit ThreadPool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ~ThreadPool() {  // after the last callback
    {
      const std::lock_guard lock{mutex_};
      closing_ = true;
    }
    waiting_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void post(std::function<void()> callback) {
    const std::lock_guard lock{mutex_};
    callbacks_.push_back(std::move(callback));
    waiting_.notify_one();
  }

 private:
  void run() {
    for (std::unique_lock lock{mutex_};;) {
      waiting_.wait(lock, [this] { return closing_ || !callbacks_.empty(); });
      if (callbacks_.empty()) return;
      std::function<void()> callback = std::move(callbacks_.front());
      callbacks_.pop_front();
      lock.unlock();
      callback();
      callback = nullptr;  // drops its request here, without the lock
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable waiting_;
  std::deque<std::function<void()>> callbacks_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

// Shared by the callbacks of one request; only one of them runs at a time. When the last callback drops its reference,
// the leases that the route still holds are cancelled.
struct RequestContext {
  int number = 0;
  Router::Route route = {};
};

// One dispatcher per thread, made at the first call. A thread_local dispatcher is right only because this program has
// one router; a gateway with several models keeps a dispatcher per router and thread.
Router::Dispatcher& dispatcher_of_this_thread(const Router& router) {
  thread_local Router::Dispatcher dispatcher = router.dispatcher();
  return dispatcher;
}

void handle(const std::shared_ptr<RequestContext>& request, const Router& router, ThreadPool& engines) {
  auto route = dispatcher_of_this_thread(router).route();
  if (!route) return;  // answer 429 or 503; the router counts its refusals
  request->route = std::move(*route);
  engines.post([request, &engines] {        // runs on a thread of the engines' client
    if (request->number % 10 == 0) return;  // this client has gone, and with this reference goes its request
    request->route.first_token();
    engines.post([request] { request->route.complete(); });
  });
}

// Takes a decode engine out of service without breaking a request. False: requests still run there after `patience`.
bool retire(Router& router, std::string_view id, std::vector<Engine>& members, std::chrono::milliseconds patience) {
  router.drain(Role::decode, id);  // no new request from here on
  const auto drained = [&] {
    const auto all = router.endpoints(Role::decode);
    return std::all_of(all.begin(), all.end(), [id](const auto& s) { return s.id != id || s.drained(); });
  };
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!drained()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  std::erase_if(members, [id](const Engine& engine) { return engine.id == id; });
  return router.assign(Role::decode, members).has_value();
}

int main() {
  const std::vector<Engine> prefill{{"p0"}, {"p1"}};
  std::vector<Engine> decode{{"d0"}, {"d1"}, {"d2"}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();

  std::atomic<bool> closing{false};
  std::thread health_checks([&] {  // p1 comes and goes; p0 is always there
    for (bool up = false; !closing; up = !up) {
      router.set_health("p1", up ? pdroute::Health::healthy : pdroute::Health::unhealthy);
      std::this_thread::sleep_for(1ms);
    }
  });

  constexpr int requests = 2000;
  {
    ThreadPool engines{2};
    ThreadPool workers{2};  // goes first: it feeds the engines
    const auto accept = [&](int number) {
      workers.post([&, request = std::make_shared<RequestContext>(number)] { handle(request, router, engines); });
    };
    for (int i = 0; i < requests / 2; ++i) accept(i);
    fmt::print("d0 retired: {}\n", retire(router, "d0", decode, 10s));
    for (int i = requests / 2; i < requests; ++i) accept(i);
  }
  closing = true;
  health_checks.join();

  pdroute::Outcomes prompts;
  for (const auto& status : router.endpoints(Role::prefill)) {
    prompts.completed += status.outcomes.completed;
    prompts.cancelled += status.outcomes.cancelled;
  }
  for (const auto& status : router.endpoints(Role::decode)) {
    fmt::print("{}: {} in flight now\n", status.id, status.in_flight);
  }
  fmt::print("{} requests, {} refused; prompts: {} computed, {} cancelled\n", requests,
             router.refusals(Role::prefill).requests + router.refusals(Role::decode).requests, prompts.completed,
             prompts.cancelled);
}
