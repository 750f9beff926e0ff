// SPDX-License-Identifier: Apache-2.0
#include "service_time.hpp"

#include <chrono>
#include <cstdint>
#include <limits>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;

TEST_CASE("service time: results equal those computed by hand") {
  CHECK(replay::prefill_time(0) == 15ms);
  // 15 + 0.065 * 8192 + 8.2e-7 * 8192^2 = 15 + 532.48 + 55.029268...
  CHECK(std::chrono::round<std::chrono::microseconds>(replay::prefill_time(8192)) == 602'509us);
  // 1 + 10000 * 327680 / 40e6 = 1 + 81.92
  CHECK(std::chrono::round<std::chrono::microseconds>(replay::transfer_time(10'000)) == 82'920us);
  // 100 * (19 + 0.03 * 4 + 3.5e-5 * 40000) = 100 * 20.52
  CHECK(std::chrono::round<std::chrono::microseconds>(replay::decode_time(100, {.requests = 4, .kv_tokens = 40'000})) ==
        2'052ms);
  CHECK(replay::decode_time(0, {.requests = 1, .kv_tokens = 1}) == 0ms);
}

TEST_CASE("service time: absurd lengths give bounded times") {
  const auto absurd = std::numeric_limits<std::uint64_t>::max();
  const auto sum = replay::prefill_time(absurd) + replay::transfer_time(absurd) +
                   replay::decode_time(absurd, {.requests = absurd, .kv_tokens = absurd});
  CHECK(sum > 0ns);
  CHECK(sum < std::chrono::nanoseconds::max() - 24h * 365 * 20);
}
