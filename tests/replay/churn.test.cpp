// SPDX-License-Identifier: Apache-2.0
#include "churn.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <pdroute/role.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "generated_trace.hpp"
#include "trace.hpp"

using namespace std::chrono_literals;
using Kind = replay::ChurnEvent::Kind;

namespace {

std::ptrdiff_t count(const replay::ChurnSchedule& schedule, Kind kind) {
  return std::count_if(schedule.begin(), schedule.end(), [kind](const auto& event) { return event.kind == kind; });
}

/// Plays the membership of a role. Notes an event that is impossible, and for how long no endpoint was eligible.
struct Play {
  enum class State : std::uint8_t { eligible, draining, absent };
  std::vector<State> states;
  std::string impossible = {};
  int events = 0;
  std::chrono::nanoseconds now = {};
  std::chrono::nanoseconds without_eligible = {};

  void pass_until(std::chrono::nanoseconds moment) {
    if (std::count(states.begin(), states.end(), State::eligible) == 0) without_eligible += moment - now;
    now = moment;
  }

  void apply(const replay::ChurnEvent& event) {
    pass_until(event.at);
    State& state = states.at(event.number);
    if (event.kind == Kind::drain) {
      if (state != State::eligible) impossible = "drained while not eligible";
      state = State::draining;
    } else if (event.kind == Kind::remove) {
      if (state == State::absent) impossible = "removed while absent";
      state = State::absent;
    } else {
      if (state == State::eligible) impossible = "restored while eligible";
      state = State::eligible;
    }
    ++events;
  }
};

}  // namespace

TEST_CASE("churn: same seed, same schedule, another seed, another schedule") {
  const auto trace = replay::generate_trace(2000);
  CHECK(replay::make_churn(trace, 4, 4, 1) == replay::make_churn(trace, 4, 4, 1));
  CHECK(replay::make_churn(trace, 4, 4, 1) != replay::make_churn(trace, 4, 4, 2));
}

TEST_CASE("churn: the schedule has all kinds of events, in order of time, within the trace or soon after") {
  const auto trace = replay::generate_trace();
  const auto schedule = replay::make_churn(trace, 4, 4, 1);
  for (const Kind kind : {Kind::remove, Kind::drain, Kind::restore, Kind::cancel}) CHECK(count(schedule, kind) > 10);
  CHECK(std::is_sorted(schedule.begin(), schedule.end(), [](const auto& a, const auto& b) { return a.at < b.at; }));
  CHECK(schedule.front().at >= 0s);
  CHECK(schedule.back().at <= trace.back().arrival + 20s);
}

TEST_CASE("churn: a request is cancelled once at most, and not before it arrives") {
  const auto trace = replay::generate_trace();
  std::map<std::size_t, int> times;
  bool in_time = true;
  for (const auto& event : replay::make_churn(trace, 4, 4, 1)) {
    if (event.kind != Kind::cancel) continue;
    ++times[event.number];
    in_time = in_time && event.at >= trace.at(event.number).arrival;
  }
  CHECK(in_time);
  CHECK(std::all_of(times.begin(), times.end(), [](const auto& entry) { return entry.second == 1; }));
}

TEST_CASE("churn: every event is possible, and an endpoint is eligible for two thirds of the time") {
  const auto trace = replay::generate_trace(2000);
  for (const std::size_t endpoints : {1U, 2U, 4U, 16U}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      INFO(endpoints << " endpoints, seed " << seed);
      std::map<pdroute::Role, Play> roles;
      roles[pdroute::Role::prefill].states.resize(endpoints);
      roles[pdroute::Role::decode].states.resize(endpoints);
      for (const auto& event : replay::make_churn(trace, endpoints, endpoints, seed)) {
        if (event.kind != Kind::cancel) roles[event.role].apply(event);
      }
      for (auto& [role, play] : roles) {
        play.pass_until(trace.back().arrival);
        CHECK(play.impossible.empty());
        CHECK(play.events > 0);
        CHECK(play.without_eligible * 3 <= trace.back().arrival);
      }
    }
  }
}

TEST_CASE("churn: an empty trace or one of a single moment has a schedule") {
  CHECK(replay::make_churn({{0s, 1, 1}}, 2, 2, 1).front().at == 0s);
  CHECK(count(replay::make_churn({}, 2, 2, 1), Kind::cancel) == 0);
}
