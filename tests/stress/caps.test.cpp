// SPDX-License-Identifier: Apache-2.0
// Limits on requests under threads that together ask for more than the limits. PDROUTE_STRESS_CHOICES is the number of
// choices: 10^7 in release builds, fewer where each choice is slow.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <pdroute/pdroute.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

constexpr std::uint32_t limit = 3;
constexpr std::size_t threads = 8;

/// The test's own count. It is raised right after a reservation and lowered right before the lease ends, so it is never
/// above the library's count.
struct alignas(64) InUse {
  std::atomic<std::uint32_t> now{0};
  std::atomic<std::uint32_t> max_seen{0};

  void take() noexcept {
    const std::uint32_t taken = now.fetch_add(1) + 1;
    std::uint32_t seen = max_seen.load(std::memory_order_relaxed);
    while (seen < taken && !max_seen.compare_exchange_weak(seen, taken, std::memory_order_relaxed)) {
    }
  }
  void give() noexcept { now.fetch_sub(1); }
};

struct Capped {
  std::string id;
  InUse* in_use;
  pdroute::Capacity capacity{.requests = limit};
};

template <class Route>
void end(Route& route) {
  if (!route.prefill) return;
  route.prefill->in_use->give();
  route.decode->in_use->give();
  route.complete();
}

}  // namespace

TEMPLATE_TEST_CASE("eight threads share twelve places per role: no limit is passed in PDROUTE_STRESS_CHOICES choices",
                   "", pdroute::RandomPolicy<>, pdroute::RoundRobinPolicy<>) {
  constexpr std::uint64_t choices = PDROUTE_STRESS_CHOICES / 2;  // of each policy
  INFO("choices: " << choices);
  using Router = pdroute::DisaggregatedRouter<TestType, TestType, Capped>;
  std::array<InUse, 8> in_use;
  std::vector<Capped> prefill;
  std::vector<Capped> decode;
  for (std::size_t i = 0; i < 4; ++i) {
    prefill.push_back({"p" + std::to_string(i), &in_use[i]});
    decode.push_back({"d" + std::to_string(i), &in_use[4 + i]});
  }
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  std::atomic<std::uint64_t> chosen{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> wrong_reasons{0};
  std::latch start{threads};
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      start.arrive_and_wait();
      auto dispatcher = router.dispatcher();
      std::array<typename Router::Route, 4> held;  // 32 for all threads, which is more than there is room for
      std::uint64_t chosen_here = 0;
      std::uint64_t refused_here = 0;
      for (std::uint64_t i = 0; i < choices / threads; ++i) {
        // With few processors, this lets other threads run while this one holds leases.
        if (i % 16 == 0) std::this_thread::yield();
        end(held[i % held.size()]);
        auto route = dispatcher.route();
        if (!route) {
          if (route.error().full != 4) ++wrong_reasons;
          ++refused_here;
          continue;
        }
        route->prefill->in_use->take();
        route->decode->in_use->take();
        held[i % held.size()] = std::move(*route);
        ++chosen_here;
      }
      for (auto& route : held) end(route);
      chosen += chosen_here;
      refused += refused_here;
    });
  }
  for (auto& worker : workers) worker.join();

  for (const InUse& endpoint : in_use) {
    CHECK(endpoint.max_seen <= limit);
    CHECK(endpoint.max_seen > 0);
    CHECK(endpoint.now == 0);
  }
  CHECK(chosen > 0);
  CHECK(refused > 0);
  CHECK(chosen + refused == choices / threads * threads);
  CHECK(wrong_reasons == 0);
  std::uint64_t completed = 0;
  for (const auto role : {pdroute::Role::prefill, pdroute::Role::decode}) {
    for (const auto& status : router.endpoints(role)) {
      CHECK(status.in_flight == 0);
      completed += status.outcomes.completed;
    }
  }
  CHECK(completed == 2 * chosen);
  CHECK(router.refusals(pdroute::Role::prefill).requests + router.refusals(pdroute::Role::decode).requests == refused);
}
