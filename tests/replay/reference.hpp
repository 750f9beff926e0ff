// SPDX-License-Identifier: Apache-2.0
// Where requests must land, worked out a second time: from the rules in words, with plain lists, and without the
// library's policies, pools, generators or rates.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <pdroute/role.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "churn.hpp"
#include "service_time.hpp"
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
  double prefill_max_over_mean = 0;  ///< of the tokens outstanding, as docs/replay.md defines it
  double decode_max_over_mean = 0;
};

/// One life of an endpoint.
struct Member {
  std::size_t number = 0;
  bool draining = false;
  std::deque<std::int64_t> arrivals = {};  // the bucket of each
  std::chrono::nanoseconds free_at{0};     // when its last prompt has been computed
  // What runs or waits there, counted afresh for every request that arrives.
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;        // as far as the router has been told
  std::uint64_t final_tokens = 0;  // with all that will be generated
};
using Life = std::shared_ptr<Member>;

/// A request that was routed, and when it leaves its endpoints.
struct Routed {
  std::size_t number = 0;
  replay::TraceRequest request;
  Life prefill = {};
  Life decode = {};
  replay::DecodeBatch batch = {};
  std::chrono::nanoseconds prefill_end{0};
  std::chrono::nanoseconds decode_begin{0};
  std::chrono::nanoseconds decode_end{0};

  std::uint64_t told = 0;

  /// The tokens that the router has been told to have been generated: whole lots of 256, and none with the last token.
  [[nodiscard]] std::uint64_t reported(std::chrono::nanoseconds now) {
    while (told + 256 < request.output_tokens && decode_begin + replay::decode_time(told + 256, batch) <= now) {
      told += 256;
    }
    return told;
  }
};

/// One role: its members in order of registration, and what its policy remembers.
class Leg {
 public:
  Leg(std::string policy, std::size_t endpoints, std::uint64_t seed, std::chrono::nanoseconds window, Generator& shared)
      : policy_(std::move(policy)),
        generator_{seed},
        shared_(shared),
        bucket_width_((window.count() + 59) / 60),
        counts_(endpoints) {
    for (std::size_t i = 0; i < endpoints; ++i) add(i);
  }

  void apply(const replay::ChurnEvent& event) {
    const auto member =
        std::find_if(members_.begin(), members_.end(), [&](const Life& m) { return m->number == event.number; });
    if (event.kind == replay::ChurnEvent::Kind::drain) {
      (*member)->draining = true;
      return;
    }
    if (member != members_.end()) members_.erase(member);
    if (event.kind == replay::ChurnEvent::Kind::restore) add(event.number);
  }

  [[nodiscard]] std::vector<Life> eligible() const {
    std::vector<Life> result;
    std::copy_if(members_.begin(), members_.end(), std::back_inserter(result),
                 [](const Life& m) { return !m->draining; });
    return result;
  }

  void forget_what_runs() {
    for (const Life& m : members_) m->requests = m->tokens = m->final_tokens = 0;
  }

  /// Precondition: somebody is eligible. `turn` and `since` count routes, from the start and since the last change;
  /// `first` is the number of eligible endpoints of the other role if that one has chosen before.
  Life choose(std::uint64_t turn, std::uint64_t since, std::optional<std::size_t> first, std::chrono::nanoseconds now) {
    const std::vector<Life> candidates = eligible();
    measure(candidates);
    const std::int64_t bucket = now.count() / bucket_width_;
    const Life chosen = candidates[index(candidates, turn, since, first, bucket)];
    chosen->arrivals.push_back(bucket);
    ++counts_[chosen->number];
    return chosen;
  }

  [[nodiscard]] const std::vector<std::uint64_t>& counts() const { return counts_; }
  [[nodiscard]] double max_over_mean() const { return mean_ == 0 ? 0 : most_ / mean_; }

 private:
  void add(std::size_t number) { members_.push_back(std::make_shared<Member>(Member{.number = number})); }

  void measure(const std::vector<Life>& candidates) {
    std::uint64_t most = 0;
    std::uint64_t sum = 0;
    for (const Life& m : candidates) {
      most = std::max(most, m->final_tokens);
      sum += m->final_tokens;
    }
    most_ += static_cast<double>(most);
    mean_ += static_cast<double>(sum) / static_cast<double>(candidates.size());
  }

  std::size_t index(const std::vector<Life>& candidates, std::uint64_t turn, std::uint64_t since,
                    std::optional<std::size_t> first, std::int64_t bucket) {
    const std::size_t n = candidates.size();
    if (policy_ == "round-robin") return (turn + (first ? since / std::lcm(*first, n) : 0)) % n;
    if (policy_ == "random") return generator_.below(n);
    if (policy_ == "qps") {
      return lowest(candidates, first, [bucket](Member& m) {
        while (!m.arrivals.empty() && m.arrivals.front() < bucket - 60) m.arrivals.pop_front();
        return m.arrivals.size();
      });
    }
    if (policy_ == "least-requests") return lowest(candidates, first, [](Member& m) { return m.requests; });
    if (policy_ == "two-choices") return fewer_requests_of_two(candidates);
    // A prompt weighs as much in tokens as in KV, so these two are one rule here.
    if (policy_ == "least-tokens" || policy_ == "least-kv") {
      return lowest(candidates, first, [](Member& m) { return m.tokens; });
    }
    throw std::invalid_argument("the reference knows no policy " + policy_);
  }

  /// The lowest cost; of several, the next after the last choice. On a second leg, one further whenever as many choices
  /// were made as bring both legs round together.
  template <class Cost>
  std::size_t lowest(const std::vector<Life>& candidates, std::optional<std::size_t> other, const Cost& cost) {
    if (const auto sizes = std::pair(other, candidates.size()); sizes != sizes_) {
      sizes_ = sizes;
      choices_ = 0;
    }
    if (other && choices_ > 0 && choices_ % std::lcm(*other, candidates.size()) == 0) ++after_last_;
    ++choices_;
    std::size_t best = after_last_ % candidates.size();
    for (std::size_t step = 1; step < candidates.size(); ++step) {
      const std::size_t i = (after_last_ + step) % candidates.size();
      if (cost(*candidates[i]) < cost(*candidates[best])) best = i;
    }
    after_last_ = best + 1;
    return best;
  }

  /// Of two different ones, each pair as likely; if neither has fewer, the one drawn first.
  std::size_t fewer_requests_of_two(const std::vector<Life>& candidates) {
    const std::size_t n = candidates.size();
    if (n == 1) return 0;
    const std::size_t one = shared_.below(n);
    const std::size_t place = shared_.below(n - 1);  // among the others
    const std::size_t other = place < one ? place : place + 1;
    return candidates[other]->requests < candidates[one]->requests ? other : one;
  }

  std::string policy_;
  Generator generator_;  // of the policy
  Generator& shared_;    // of both legs
  std::int64_t bucket_width_;
  std::vector<Life> members_;
  std::vector<std::uint64_t> counts_;
  std::size_t after_last_ = 0;
  std::pair<std::optional<std::size_t>, std::size_t> sizes_;
  std::uint64_t choices_ = 0;
  double most_ = 0;
  double mean_ = 0;
};

inline Counts predict(const replay::Trace& trace, const replay::ChurnSchedule& churn, const Rules& rules) {
  // One seed for both roles, a stream each, and one for what both draw; the replay's one dispatcher is the first.
  const auto seed = [&](std::uint64_t stream) { return seed_of_stream(rules.seed, stream << 32U); };
  Generator shared{seed(2)};
  Leg prefill{rules.prefill_policy, rules.prefill_endpoints, seed(0), rules.qps_window, shared};
  Leg decode{rules.decode_policy, rules.decode_endpoints, seed(1), rules.qps_window, shared};
  std::vector<Routed> routed;  // and still running
  std::uint64_t unrouted = 0;
  std::uint64_t turn = 0;
  std::uint64_t origin = 0;
  auto event = churn.begin();
  for (std::size_t number = 0; number < trace.size(); ++number) {
    const replay::TraceRequest& request = trace[number];
    const auto now = request.arrival;
    for (; event != churn.end() && event->at <= now; ++event) {
      if (event->kind == replay::ChurnEvent::Kind::cancel) {
        for (Routed& r : routed) {
          if (r.number != event->number) continue;
          r.prefill_end = std::min(r.prefill_end, event->at);
          r.decode_end = std::min(r.decode_end, event->at);
        }
        continue;
      }
      (event->role == pdroute::Role::prefill ? prefill : decode).apply(*event);
      origin = turn;
    }

    prefill.forget_what_runs();
    decode.forget_what_runs();
    routed.erase(std::remove_if(routed.begin(), routed.end(), [&](const Routed& r) { return r.decode_end <= now; }),
                 routed.end());
    for (Routed& r : routed) {
      const std::uint64_t prompt = r.request.prompt_tokens;
      if (now < r.prefill_end) {
        r.prefill->requests += 1;
        r.prefill->tokens += prompt;
        r.prefill->final_tokens += prompt;
      }
      r.decode->requests += 1;
      r.decode->tokens += prompt + r.reported(now);
      r.decode->final_tokens += prompt + r.request.output_tokens;
    }

    if (prefill.eligible().empty() || decode.eligible().empty()) {
      ++unrouted;
      continue;
    }
    Routed r{.number = number, .request = request};
    r.prefill = prefill.choose(turn, turn - origin, std::nullopt, now);
    r.decode = decode.choose(turn, turn - origin, prefill.eligible().size(), now);
    ++turn;
    r.prefill_end = std::max(now, r.prefill->free_at) + replay::prefill_time(request.prompt_tokens);
    r.prefill->free_at = r.prefill_end;
    r.decode_begin = r.prefill_end + replay::transfer_time(request.prompt_tokens);
    r.batch = {.requests = r.decode->requests + 1,
               .kv_tokens = r.decode->final_tokens + request.prompt_tokens + request.output_tokens};
    r.decode_end = r.decode_begin + replay::decode_time(request.output_tokens, r.batch);
    routed.push_back(std::move(r));
  }
  return {prefill.counts(), decode.counts(), unrouted, prefill.max_over_mean(), decode.max_over_mean()};
}

}  // namespace reference
