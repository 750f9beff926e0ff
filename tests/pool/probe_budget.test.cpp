// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/probe_budget.hpp>
//
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

using pdroute::detail::ProbeBudget;

TEST_CASE("probe budget: limit and take return zero before begin() and after end()") {
  ProbeBudget budget;
  budget.allow(3);
  CHECK(budget.limit() == 0);
  CHECK(budget.take() == 0);
  budget.begin(7);
  CHECK(budget.limit() == 7);
  budget.end();
  CHECK(budget.limit() == 0);
}

TEST_CASE("probe budget: exactly the allowed probes may begin, also when the lease limit changes") {
  ProbeBudget budget;
  budget.allow(2);
  budget.begin(7);
  CHECK(budget.take() == 7);
  budget.begin(pdroute::Capacity::max_requests);
  CHECK(budget.take() == pdroute::Capacity::max_requests);
  CHECK(budget.take() == 0);
  CHECK(budget.limit() == 0);
  budget.give_back();
  CHECK(budget.take() == pdroute::Capacity::max_requests);
  budget.allow(ProbeBudget::max_probes);
  CHECK(budget.limit() == pdroute::Capacity::max_requests);
}

TEST_CASE("probe budget: give_back() before begin() adds no probe") {
  ProbeBudget budget;
  budget.give_back();
  budget.begin(7);
  CHECK(budget.take() == 0);
}

TEST_CASE("probe budget: many threads take exactly as many probes as are allowed") {
  ProbeBudget budget;
  budget.begin(100);
  budget.allow(1000);
  std::atomic<std::uint32_t> taken = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (budget.take() > 0) ++taken;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(taken == 1000);
}
