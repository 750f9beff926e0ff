// SPDX-License-Identifier: Apache-2.0
// Threads route, fail and complete requests, while another thread advances time, reports, explains, and changes limits
// and health. Meant for ThreadSanitizer. The counts must add up for every interleaving.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/pdroute.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::Role;
using Prefill = pdroute::RendezvousPolicy<pdroute::PeakEwmaPolicy>;
using Decode = pdroute::SessionAffinityPolicy<pdroute::LowestCostPolicy<
    pdroute::Lexicographic<pdroute::ReportedKvUsage, pdroute::MeanTimeToFirstToken, pdroute::ReportedRequests>, 2>>;
/// A clock that a thread moves while others read it.
struct SharedClock {
  std::shared_ptr<std::atomic<std::int64_t>> nanoseconds = std::make_shared<std::atomic<std::int64_t>>(0);
  [[nodiscard]] std::chrono::steady_clock::time_point now() const {
    return std::chrono::steady_clock::time_point{std::chrono::nanoseconds{nanoseconds->load()}};
  }
};
using Router = pdroute::DisaggregatedRouter<Prefill, Decode, Engine, SharedClock>;

}  // namespace

TEST_CASE("many threads measure, report, bind and eject at once: the counts add up") {
  const SharedClock clock;
  const auto sessions = std::make_shared<pdroute::SessionTable>();
  Decode decode;
  decode.sessions = sessions;
  auto router =
      Router::create(
          {.prefill = engines("p", 4),
           .decode = engines("d", 4),
           .decode_policy = decode,
           .clock = clock,
           .outlier_detection = {.consecutive_failures = 2, .base_ejection_time = 1ms, .max_ejection_time = 8ms}})
          .value();
  constexpr std::uint64_t routes_per_thread = 3000;
  constexpr std::uint64_t threads = 3;
  std::atomic<std::uint64_t> running{threads};
  std::atomic<std::uint64_t> routed{0};
  const auto serve = [&](std::uint64_t number) {
    auto dispatcher = router.dispatcher();
    pdroute::SplitMix64 random{number};
    for (std::uint64_t i = 0; i < routes_per_thread; ++i) {
      const pdroute::Request request{.prompt_tokens = 1 + i % 100, .key = pdroute::key(i % 50)};
      auto route = dispatcher.route(request);
      if (!route) continue;
      ++routed;
      sessions->bind(*request.key, route->decode, clock.now());
      switch (pdroute::below(random, 4)) {
        case 0: route->prefill.fail(pdroute::FailureKind::timed_out); break;
        case 1: route->decode.fail(pdroute::FailureKind::bad_response); break;
        case 2: route->first_token(clock.now()); break;
        default: route->complete(clock.now()); break;
      }
    }
    --running;
  };
  std::vector<std::thread> all;
  for (std::uint64_t t = 0; t < threads; ++t) all.emplace_back(serve, t);
  std::uint32_t changes = 0;
  for (std::uint32_t round = 0; running > 0; ++round) {
    *clock.nanoseconds += 500'000;
    changes += static_cast<std::uint32_t>(router.advance(clock.now()).size());
    const std::string id = "d" + std::to_string(round % 4);
    static_cast<void>(router.report<Role::decode>(
        id, {.running = round % 7, .waiting = 0, .kv_cache = pdroute::EngineReport::KvCache{0.5, 1000}}, clock.now()));
    static_cast<void>(router.explain({.key = pdroute::key(std::uint64_t{round % 50})}));
    static_cast<void>(router.set_capacity(Role::decode, id, {.requests = 1 + round % 3}));
    static_cast<void>(router.set_health(id, round % 3 == 0 ? pdroute::Health::unhealthy : pdroute::Health::healthy));
  }
  for (auto& thread : all) thread.join();
  CHECK(changes > 0);

  for (const Role role : {Role::prefill, Role::decode}) {
    std::uint64_t ended = 0;
    for (const auto& endpoint : router.endpoints(role)) {
      CHECK(endpoint.in_flight == 0);
      CHECK(endpoint.kv_tokens.value_or(0) == 0);
      endpoint.outcomes.each([&](std::string_view /*outcome*/, std::uint64_t count) { ended += count; });
    }
    CHECK(ended == routed);
  }
}
