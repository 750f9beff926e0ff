// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/probe_budget.hpp>
//
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

using pdroute::detail::ProbeBudget;

TEST_CASE("probation: any_endpoint until it begins, and once it has ended") {
  ProbeBudget probation;
  probation.allow(3);
  CHECK(probation.limit() == 0);
  CHECK(probation.take() == 0);
  probation.begin(7);
  CHECK(probation.limit() == 7);
  probation.end();
  CHECK(probation.limit() == 0);
}

TEST_CASE("probation: as many probes as are allowed, whatever becomes of the limit") {
  ProbeBudget probation;
  probation.allow(2);
  probation.begin(7);
  CHECK(probation.take() == 7);
  probation.begin(pdroute::Capacity::max_requests);
  CHECK(probation.take() == pdroute::Capacity::max_requests);
  CHECK(probation.take() == 0);
  CHECK(probation.limit() == 0);
  probation.give_back();
  CHECK(probation.take() == pdroute::Capacity::max_requests);
  probation.allow(ProbeBudget::max_probes);
  CHECK(probation.limit() == pdroute::Capacity::max_requests);
}

TEST_CASE("probation: nothing is given back when any_endpoint may try") {
  ProbeBudget probation;
  probation.give_back();
  probation.begin(7);
  CHECK(probation.take() == 0);
}

TEST_CASE("probation: many threads take no more than there are") {
  ProbeBudget probation;
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
