// SPDX-License-Identifier: Apache-2.0
// Draws a churn schedule.
#include "churn.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <pdroute/random.hpp>
#include <pdroute/role.hpp>
#include <tuple>
#include <vector>

#include "unit_draw.hpp"

namespace replay {

namespace {

using std::chrono::nanoseconds;
using Kind = ChurnEvent::Kind;

nanoseconds part_of(nanoseconds whole, pdroute::SplitMix64& generator) {
  return nanoseconds{static_cast<std::int64_t>(static_cast<double>(whole.count()) * unit_draw(generator))};
}

/// The endpoints of one role while the schedule is drawn.
class Members {
 public:
  explicit Members(std::size_t n) : states_(n, State::eligible) {}

  /// The next event and its endpoint, or nothing. Only `kind` and `number` are set.
  [[nodiscard]] std::optional<ChurnEvent> next(pdroute::SplitMix64& generator) {
    const std::size_t eligible = count(State::eligible);
    // Seven times in eight the last eligible endpoint is spared. Otherwise half of the events bring an endpoint back.
    const bool spare = eligible <= 1 && pdroute::below(generator, 8) != 0;
    if (spare && eligible == states_.size()) return std::nullopt;
    const bool bring_back = eligible < states_.size() && (spare || pdroute::below(generator, 2) == 0);
    const std::size_t number = bring_back ? pick(generator, [](State s) { return s != State::eligible; })
                                          : pick(generator, [](State s) { return s != State::absent; });
    State& state = states_[number];
    if (bring_back || state == State::absent) {
      state = State::eligible;
      return ChurnEvent{.kind = Kind::restore, .number = number};
    }
    if (state == State::eligible && pdroute::below(generator, 2) == 0) {
      state = State::draining;
      return ChurnEvent{.kind = Kind::drain, .number = number};
    }
    state = State::absent;
    return ChurnEvent{.kind = Kind::remove, .number = number};
  }

 private:
  enum class State : std::uint8_t { eligible, draining, absent };

  [[nodiscard]] std::size_t count(State state) const {
    return static_cast<std::size_t>(std::count(states_.begin(), states_.end(), state));
  }

  /// The number of a random endpoint in a wanted state, or of any endpoint if there is none.
  template <class Wanted>
  [[nodiscard]] std::size_t pick(pdroute::SplitMix64& generator, const Wanted& wanted) const {
    std::vector<std::size_t> choices;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (wanted(states_[i])) choices.push_back(i);
    }
    const std::size_t n = choices.empty() ? states_.size() : choices.size();
    const std::size_t i = pdroute::below(generator, static_cast<std::uint32_t>(n));
    return choices.empty() ? i : choices[i];
  }

  std::vector<State> states_;
};

ChurnSchedule membership(pdroute::Role role, std::size_t endpoints, nanoseconds span, pdroute::SplitMix64& generator) {
  constexpr std::size_t events = 64;  // about one per minute in a trace of an hour
  std::vector<nanoseconds> moments(events);
  for (nanoseconds& moment : moments) moment = part_of(span, generator);
  std::sort(moments.begin(), moments.end());
  Members members{endpoints};
  ChurnSchedule schedule;
  for (const nanoseconds moment : moments) {
    if (auto event = members.next(generator)) {
      event->at = moment;
      event->role = role;
      schedule.push_back(*event);
    }
  }
  return schedule;
}

ChurnSchedule cancellations(const Trace& trace, pdroute::SplitMix64& generator) {
  constexpr std::uint32_t one_in = 20;
  constexpr std::chrono::seconds within{20};  // twice a common request's duration, so half of them come too late
  ChurnSchedule schedule;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    if (pdroute::below(generator, one_in) != 0) continue;
    schedule.push_back({.at = trace[i].arrival + part_of(within, generator), .kind = Kind::cancel, .number = i});
  }
  std::sort(schedule.begin(), schedule.end(), [](const ChurnEvent& a, const ChurnEvent& b) {
    return std::tie(a.at, a.number) < std::tie(b.at, b.number);
  });
  return schedule;
}

/// Merges two schedules in order of time. Of events at one moment, those of `a` come first.
ChurnSchedule merged(const ChurnSchedule& a, const ChurnSchedule& b) {
  ChurnSchedule schedule;
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(schedule),
             [](const ChurnEvent& x, const ChurnEvent& y) { return x.at < y.at; });
  return schedule;
}

}  // namespace

ChurnSchedule make_churn(const Trace& trace, std::size_t prefill_endpoints, std::size_t decode_endpoints,
                         std::uint64_t seed) {
  pdroute::SplitMix64 generator{seed};
  const nanoseconds span = trace.empty() ? nanoseconds{0} : trace.back().arrival;
  const ChurnSchedule prefill = membership(pdroute::Role::prefill, prefill_endpoints, span, generator);
  const ChurnSchedule decode = membership(pdroute::Role::decode, decode_endpoints, span, generator);
  return merged(merged(prefill, decode), cancellations(trace, generator));
}

}  // namespace replay
