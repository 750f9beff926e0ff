// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/probation.hpp>
//
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

using pdroute::detail::Probation;

TEST_CASE("probation: anybody until it begins, and once it has ended") {
  Probation probation;
  probation.allow(3);
  CHECK(probation.limit() == 0);
  CHECK(probation.take() == 0);
  probation.begin(7);
  CHECK(probation.limit() == 7);
  probation.end();
  CHECK(probation.limit() == 0);
}

TEST_CASE("probation: as many probes as are allowed, whatever becomes of the limit") {
  Probation probation;
  probation.allow(2);
  probation.begin(7);
  CHECK(probation.take() == 7);
  probation.begin(pdroute::Capacity::most_requests);
  CHECK(probation.take() == pdroute::Capacity::most_requests);
  CHECK(probation.take() == 0);
  CHECK(probation.limit() == 0);
  probation.give_back();
  CHECK(probation.take() == pdroute::Capacity::most_requests);
  probation.allow(Probation::most_probes);
  CHECK(probation.limit() == pdroute::Capacity::most_requests);
}

TEST_CASE("probation: nothing is given back when anybody may try") {
  Probation probation;
  probation.give_back();
  probation.begin(7);
  CHECK(probation.take() == 0);
}

TEST_CASE("probation: many threads take no more than there are") {
  Probation probation;
  probation.begin(100);
  probation.allow(1000);
  std::atomic<std::uint32_t> taken = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (probation.take() > 0) ++taken;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(taken == 1000);
}
