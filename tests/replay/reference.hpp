// SPDX-License-Identifier: Apache-2.0
// Where requests must land, worked out a second time: from the rules in words, with plain lists, and without the
// library's policies, pools, generators or rates.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <numeric>
#include <optional>
#include <pdroute/role.hpp>
#include <string>
#include <utility>
#include <vector>

#include "churn.hpp"
#include "trace.hpp"

namespace reference {

/// SplitMix64 as its authors wrote it down.
struct Generator {
  std::uint64_t state = 0;

  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::uint64_t next() { return mixed(state += 0x9e3779b97f4a7c15U); }

  /// Lemire's unbiased draw from [0, n), of the upper 32 bits.
  std::size_t below(std::uint64_t n) {
    constexpr std::uint64_t two_to_32 = std::uint64_t{1} << 32U;
    for (;;) {
      const std::uint64_t product = (next() >> 32U) * n;
      if (product % two_to_32 >= two_to_32 % n) return product / two_to_32;
    }
  }
};

inline std::uint64_t seed_of_stream(std::uint64_t seed, std::uint64_t stream) {
  return Generator::mixed(seed + Generator::mixed(stream + 1));
}

struct Rules {
  std::string prefill_policy;
  std::string decode_policy;
  std::size_t prefill_endpoints = 4;
  std::size_t decode_endpoints = 4;
  std::uint64_t seed = 0;
  std::chrono::nanoseconds qps_window = std::chrono::seconds{60};
};

/// Requests per endpoint, by number.
struct Counts {
  std::vector<std::uint64_t> prefill;
  std::vector<std::uint64_t> decode;
  std::uint64_t unrouted = 0;
};

/// One role: its members in order of registration, and what its policy remembers.
class Leg {
 public:
  Leg(std::string policy, std::size_t endpoints, std::uint64_t seed, std::chrono::nanoseconds window)
      : policy_(std::move(policy)), generator_{seed}, bucket_width_((window.count() + 59) / 60), counts_(endpoints) {
    for (std::size_t i = 0; i < endpoints; ++i) members_.push_back({.number = i});
  }

  void apply(const replay::ChurnEvent& event) {
    const auto member =
        std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.number == event.number; });
    if (event.kind == replay::ChurnEvent::Kind::drain) {
      member->draining = true;
      return;
    }
    if (member != members_.end()) members_.erase(member);
    if (event.kind == replay::ChurnEvent::Kind::restore) members_.push_back({.number = event.number});
  }

  [[nodiscard]] std::size_t eligible() const {
    return static_cast<std::size_t>(
        std::count_if(members_.begin(), members_.end(), [](const Member& m) { return !m.draining; }));
  }

  /// Precondition: somebody is eligible. `turn` and `since` count routes, from the start and since the last change;
  /// `first` is the number of eligible endpoints of the other role if that one has chosen before.
  void choose(std::uint64_t turn, std::uint64_t since, std::optional<std::size_t> first, std::chrono::nanoseconds now) {
    std::vector<Member*> candidates;
    for (Member& m : members_) {
      if (!m.draining) candidates.push_back(&m);
    }
    const std::size_t n = candidates.size();
    std::size_t index = 0;
    if (policy_ == "round-robin") {
      index = (turn + (first ? since / std::lcm(*first, n) : 0)) % n;
    } else if (policy_ == "random") {
      index = generator_.below(n);
    } else {
      index = least_rated(candidates, first, now.count() / bucket_width_);
    }
    candidates[index]->arrivals.push_back(now.count() / bucket_width_);
    ++counts_[candidates[index]->number];
  }

  [[nodiscard]] const std::vector<std::uint64_t>& counts() const { return counts_; }

 private:
  struct Member {
    std::size_t number = 0;
    bool draining = false;
    std::deque<std::int64_t> arrivals = {};  // the bucket of each
  };

  /// The fewest arrivals in this bucket and the sixty before; of several, the next after the last choice. On a second
  /// leg, one further whenever as many choices were made as bring both legs round together.
  std::size_t least_rated(const std::vector<Member*>& candidates, std::optional<std::size_t> other,
                          std::int64_t bucket) {
    if (const auto sizes = std::pair(other, candidates.size()); sizes != sizes_) {
      sizes_ = sizes;
      choices_ = 0;
    }
    if (other && choices_ > 0 && choices_ % std::lcm(*other, candidates.size()) == 0) ++after_last_;
    ++choices_;
    std::optional<std::size_t> best;
    std::size_t fewest = 0;
    for (std::size_t step = 0; step < candidates.size(); ++step) {
      const std::size_t i = (after_last_ + step) % candidates.size();
      auto& arrivals = candidates[i]->arrivals;
      while (!arrivals.empty() && arrivals.front() < bucket - 60) arrivals.pop_front();
      if (!best || arrivals.size() < fewest) {
        best = i;
        fewest = arrivals.size();
      }
    }
    after_last_ = *best + 1;
    return *best;
  }

  std::string policy_;
  Generator generator_;
  std::int64_t bucket_width_;
  std::vector<Member> members_;
  std::vector<std::uint64_t> counts_;
  std::size_t after_last_ = 0;
  std::pair<std::optional<std::size_t>, std::size_t> sizes_;
  std::uint64_t choices_ = 0;
};

inline Counts predict(const replay::Trace& trace, const replay::ChurnSchedule& churn, const Rules& rules) {
  // One seed for both roles, a stream each; the replay's one dispatcher is the router's first.
  const auto seed = [&](std::uint64_t role) { return seed_of_stream(rules.seed, role << 32U); };
  Leg prefill{rules.prefill_policy, rules.prefill_endpoints, seed(0), rules.qps_window};
  Leg decode{rules.decode_policy, rules.decode_endpoints, seed(1), rules.qps_window};
  std::uint64_t unrouted = 0;
  std::uint64_t turn = 0;
  std::uint64_t origin = 0;
  auto event = churn.begin();
  for (const replay::TraceRequest& request : trace) {
    for (; event != churn.end() && event->at <= request.arrival; ++event) {
      if (event->kind == replay::ChurnEvent::Kind::cancel) continue;
      (event->role == pdroute::Role::prefill ? prefill : decode).apply(*event);
      origin = turn;
    }
    if (prefill.eligible() == 0 || decode.eligible() == 0) {
      ++unrouted;
      continue;
    }
    prefill.choose(turn, turn - origin, std::nullopt, request.arrival);
    decode.choose(turn, turn - origin, prefill.eligible(), request.arrival);
    ++turn;
  }
  return {prefill.counts(), decode.counts(), unrouted};
}

}  // namespace reference
