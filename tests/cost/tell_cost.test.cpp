// SPDX-License-Identifier: Apache-2.0
#include <pdroute/cost/detail/tell_cost.hpp>

#include <chrono>
#include <cmath>
#include <limits>
#include <pdroute/cost/combinations.hpp>
#include <pdroute/cost/load_costs.hpp>
#include <pdroute/policy/lowest_cost.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using Told = std::vector<std::pair<std::string, double>>;

struct Candidate {
  int load = 0;
  [[nodiscard]] int in_flight() const { return load; }
};

template <class Cost>
Told told(const Cost& cost, Candidate candidate = {3}) {
  Told told;
  const std::vector<Candidate> compared{candidate, {8}};
  const int request = 0;
  int context = 0;
  const auto tell = pdroute::detail::teller(cost, compared, request, context);
  tell(compared[0], [&](std::string_view name, double value) { told.emplace_back(name, value); });
  return told;
}

/// The candidate's load above the lowest load of those compared.
struct Excess {
  static constexpr std::string_view name = "excess";
  auto prepare(const auto& compared, const auto& /*request*/, auto& /*context*/) const {
    int least = std::numeric_limits<int>::max();
    for (std::size_t i = 0; i < compared.size(); ++i) least = std::min(least, compared[i].load);
    return [least](const auto& candidate) { return candidate.load - least; };
  }
};

}  // namespace

TEST_CASE("told costs: numbers are told under their names, durations in seconds") {
  CHECK(told(pdroute::InFlight{}) == Told{{"in_flight", 3}});
  CHECK(told([](const Candidate& c) { return c.load / 2.0; }) == Told{{"cost", 1.5}});
  CHECK(told([](const Candidate&) { return 1500ms; }) == Told{{"cost", 1.5}});
  CHECK(told([](const Candidate& c, int request) { return c.load + request; }) == Told{{"cost", 3}});
  CHECK(told(Excess{}, {11}) == Told{{"excess", 3}});
}

TEST_CASE("told costs: tuples are told part by part, and a part that is no number is left out") {
  CHECK(told([](const Candidate& c) { return std::tuple{c.load, std::string("text"), 2s}; }) ==
        Told{{"cost.0", 3}, {"cost.2", 2}});
  CHECK(told([](const Candidate& c) { return std::pair{c.load, std::tuple{1, 2}}; }) ==
        Told{{"cost.0", 3}, {"cost.1.0", 1}, {"cost.1.1", 2}});
  CHECK(told([](const Candidate&) { return std::string("text"); }).empty());
}

TEST_CASE("told costs: combinations tell every part, also of nested combinations, and the sum") {
  using Sum = pdroute::WeightedSum<pdroute::InFlight, Excess>;
  const Sum sum{{}, {2, 0.5}};
  CHECK(told(sum, {10}) == Told{{"in_flight", 10}, {"excess", 2}, {"sum", 21}});
  const pdroute::Lexicographic<Excess, Sum> nested{{{Excess{}, sum}}};
  CHECK(told(nested, {10}) == Told{{"excess", 2}, {"in_flight", 10}, {"excess", 2}, {"sum", 21}});
}

TEST_CASE("told costs: a NaN is told as NaN, although it is compared as infinite") {
  struct Broken {
    double operator()(const Candidate& /*candidate*/) const { return std::nan(""); }
  };
  const Told parts = told(pdroute::Lexicographic<Broken, pdroute::InFlight>{});
  REQUIRE(parts.size() == 2);
  CHECK(std::isnan(parts[0].second));
}
