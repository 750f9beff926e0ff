// SPDX-License-Identifier: Apache-2.0
// One router and several dispatchers, each on its own thread, while members come, drain and go. Runs under
// ThreadSanitizer and AddressSanitizer. The invariants hold for every interleaving.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/pdroute.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Health;
using pdroute::QpsPolicy;
using pdroute::RandomPolicy;
using pdroute::Role;
using pdroute::RoundRobinPolicy;

/// Notices use after destruction, and counts the copies alive.
struct Watched {
  std::string id;
  std::shared_ptr<std::atomic<int>> alive;

  Watched(std::string name, std::shared_ptr<std::atomic<int>> counter)
      : id(std::move(name)), alive(std::move(counter)) {
    ++*alive;
  }
  Watched(const Watched& other) : id(other.id), alive(other.alive) { ++*alive; }
  Watched& operator=(const Watched&) = delete;
  ~Watched() { --*alive; }
};

std::vector<Watched> list(const std::string& prefix, std::size_t count,
                          const std::shared_ptr<std::atomic<int>>& alive) {
  std::vector<Watched> all;
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(prefix + std::to_string(i), alive);
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("threads route while members change: nothing leaks, and no endpoint is chosen after its drain", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<pdroute::Rotation::per_dispatcher>, RandomPolicy<>,
                   QpsPolicy<>) {
  using Router = pdroute::DisaggregatedRouter<TestType, TestType, Watched>;
  constexpr int threads = 3;
  constexpr int routes_per_thread = 20000;
  const auto alive = std::make_shared<std::atomic<int>>(0);
  std::atomic<int> routed = 0;
  std::atomic<int> unrouted = 0;
  std::atomic<int> wrong_sum = 0;
  {
    auto router = Router::create({.prefill = list("p", 4, alive), .decode = list("d", 4, alive)}).value();
    std::atomic<int> running = threads;
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        auto dispatcher = router.dispatcher();
        std::array<typename Router::Route, 16> outstanding;
        for (int i = 0; i < routes_per_thread; ++i) {
          auto route = (i + t) % 64 == 0 ? router.route() : dispatcher.route();
          if (!route) {
            const auto& r = route.error();
            if (r.unhealthy + r.paused + r.draining + r.declined != r.endpoints) ++wrong_sum;
            ++unrouted;
            continue;
          }
          if (route->prefill->id[0] != 'p' || route->decode->id[0] != 'd') ++wrong_sum;
          outstanding[static_cast<std::size_t>(i) % outstanding.size()] = std::move(*route);
          ++routed;
        }
        --running;
      });
    }
    pdroute::SplitMix64 random{1};
    int leases_after_drain = 0;
    while (running > 0) {
      const auto count = 1 + pdroute::below(random, 4);
      REQUIRE(router.assign(Role::prefill, list("p", count, alive)));
      REQUIRE(router.assign(Role::decode, list("d", 5 - count, alive)));
      const std::string id = "p" + std::to_string(pdroute::below(random, 4));
      router.set_health(id, pdroute::below(random, 2) == 0 ? Health::healthy : Health::unhealthy);
      if (router.drain(Role::prefill, id)) {
        const auto in_flight = [&] {
          for (const auto& endpoint : router.endpoints(Role::prefill)) {
            if (endpoint.id == id) return endpoint.in_flight;
          }
          return std::uint32_t{0};
        };
        // After drain has returned the count can only fall.
        const auto before = in_flight();
        if (in_flight() > before) ++leases_after_drain;
      }
      std::this_thread::yield();
    }
    for (auto& worker : workers) worker.join();
    CHECK(leases_after_drain == 0);
    for (const Role role : {Role::prefill, Role::decode}) {
      for (const auto& endpoint : router.endpoints(role)) CHECK(endpoint.in_flight == 0);
    }
  }
  CHECK(wrong_sum == 0);
  CHECK(routed + unrouted == threads * routes_per_thread);
  CHECK(*alive == 0);
}

TEST_CASE("exact round robin over several threads: every endpoint gets the same share") {
  using Router = pdroute::DisaggregatedRouter<RoundRobinPolicy<>, RoundRobinPolicy<>, Watched>;
  constexpr int threads = 4;
  constexpr int routes_per_thread = 3000;
  const auto alive = std::make_shared<std::atomic<int>>(0);
  auto router = Router::create({.prefill = list("p", 3, alive), .decode = list("d", 4, alive)}).value();
  std::array<std::array<int, 7>, threads> counts{};
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      auto dispatcher = router.dispatcher();
      for (int i = 0; i < routes_per_thread; ++i) {
        const auto route = dispatcher.route();
        ++counts[t][static_cast<std::size_t>(route->prefill->id[1] - '0')];
        ++counts[t][3 + static_cast<std::size_t>(route->decode->id[1] - '0')];
      }
    });
  }
  for (auto& worker : workers) worker.join();
  for (std::size_t i = 0; i < 7; ++i) {
    int sum = 0;
    for (const auto& count : counts) sum += count[i];
    CHECK(sum == threads * routes_per_thread / (i < 3 ? 3 : 4));
  }
}

TEST_CASE("the last lease of a removed endpoint ends on another thread, and no copy of it is left") {
  using Router = pdroute::DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, Watched>;
  const auto alive = std::make_shared<std::atomic<int>>(0);
  for (int round = 0; round < 200; ++round) {
    auto router = Router::create({.prefill = list("p", 1, alive), .decode = list("d", 1, alive)}).value();
    auto route = router.route();
    std::thread other([lease = std::move(route->prefill)]() mutable { lease.complete(); });
    REQUIRE(router.assign(Role::prefill, std::vector<Watched>{}));
    other.join();
  }
  CHECK(*alive == 0);
}
