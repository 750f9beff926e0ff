// SPDX-License-Identifier: Apache-2.0
// The reference for the replay: computes where requests must land a second time, from the rules in words. It uses plain
// lists and none of the library's policies, pools, generators or rates.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
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

/// SplitMix64 as published by its authors.
struct Generator {
  std::uint64_t state = 0;

  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::uint64_t next() { return mixed(state += 0x9e3779b97f4a7c15U); }

  /// Lemire's unbiased draw from [0, n); it uses the upper 32 bits.
  std::size_t below(std::uint64_t n) {
    constexpr std::uint64_t two_to_32 = std::uint64_t{1} << 32U;
    for (;;) {
      const std::uint64_t product = (next() >> 32U) * n;
      if (product % two_to_32 >= two_to_32 % n) return product / two_to_32;
    }
  }
};

/// Where rotations of a gateway with this seed begin, as a share of the way round in units of 2^-32: 0 for seed 0, and
/// for other seeds multiples of an irrational number, which differs between the legs.
inline std::uint64_t bits_of_seed(std::uint64_t seed, bool second) {
  return seed * (second ? 0x6a09e667f3bcc909U : 0x9e3779b97f4a7c15U) >> 33U;
}

inline std::uint64_t seed_of_stream(std::uint64_t seed, std::uint64_t stream) {
  return Generator::mixed(seed + Generator::mixed(stream + 1));
}

/// The key of a short text: a mix of its length and its letters.
inline std::uint64_t key_of_text(const std::string& text) {
  if (text.size() > 7) throw std::invalid_argument("the reference knows keys of short texts only");
  std::uint64_t letters = 0;
  for (std::size_t i = text.size(); i-- > 0;) letters = letters << 8U | static_cast<unsigned char>(text[i]);
  return Generator::mixed(text.size() ^ letters);
}

/// Whether steps of this stride round a circle visit every place, and whether no arc of the circle waits longer than
/// three times its mean wait. Checks this by walking, for every length of an arc.
inline bool spreads(std::uint64_t circle, std::uint64_t stride) {
  if (std::gcd(circle, stride) != 1) return false;
  for (std::uint64_t length = 1; length < circle; ++length) {
    std::uint64_t last = 0;
    for (std::uint64_t turn = 1; turn <= circle; ++turn) {  // the arc begins at place 0, which turn 0 visits
      if (turn * stride % circle >= length) continue;
      if ((turn - last) * length > 3 * circle) return false;
      last = turn;
    }
  }
  return true;
}

/// The stride that spreads and is nearest to the golden section. Of two equally near ones, the higher.
inline std::uint64_t golden_stride(std::uint64_t circle) {
  const auto golden = static_cast<std::int64_t>(circle * 0x9e3779b9U >> 32U);
  const auto end = static_cast<std::int64_t>(circle);
  for (std::int64_t off = 0; off < end; ++off) {
    for (const std::int64_t stride : {golden + off, golden - off}) {
      if (0 < stride && stride < end && spreads(circle, static_cast<std::uint64_t>(stride))) {
        return static_cast<std::uint64_t>(stride);
      }
    }
  }
  return 1;
}

/// Peak EWMA of the latency. A slower request counts at once; a faster one counts as far as the last measurement has
/// faded, which it does to 1/e in ten seconds, and to nothing once less than 1/64 is left. The arithmetic repeats the
/// library's digit by digit: if only one of two endpoints is measured, their costs differ in the last digit alone.
class Peak {
 public:
  /// Adds the duration of a request that ended at `end`.
  void add(std::chrono::nanoseconds took, std::chrono::nanoseconds end) {
    const auto sample =
        std::max(static_cast<float>(static_cast<double>(took.count()) * 1e-9), std::numeric_limits<float>::min());
    if (known_ && sample <= value_) {
      value_ = static_cast<float>(sample + (static_cast<double>(value_) - sample) * freshness(end));
    } else {
      value_ = sample;
    }
    known_ = true;
    measured_ = ticks(end);
  }
  [[nodiscard]] double value() const { return static_cast<double>(value_); }
  /// The weight of the measurement: 1 when it is new, falling to 0.
  [[nodiscard]] double freshness(std::chrono::nanoseconds now) const {
    if (!known_) return 0;
    constexpr double log2_e = 1.4426950408889634;
    double halvings = static_cast<double>(ticks(now) - measured_) * (8'388'608 / 1e10 * log2_e);
    if (halvings >= 6) return 0;
    double scale = 1;
    for (; halvings >= 1; halvings -= 1) scale /= 2;
    return half_to_the(halvings) * scale;
  }

 private:
  static std::int64_t ticks(std::chrono::nanoseconds moment) { return moment.count() / 8'388'608; }

  /// Approximates 2^-f for f in [0, 1] by a polynomial of degree four that is 1 at 0 and 1/2 at 1.
  static double half_to_the(double f) {
    const double a[] = {-0.6930558712, 0.2394056760, -0.0531276782};
    double sum = -(0.5 + a[0] + a[1] + a[2]);
    for (std::size_t i = 3; i-- > 0;) sum = a[i] + f * sum;
    return 1 + f * sum;
  }

  bool known_ = false;
  float value_ = 0;
  std::int64_t measured_ = 0;
};

struct Rules {
  std::string prefill_policy;
  std::string decode_policy;
  std::size_t prefill_endpoints = 4;
  std::size_t decode_endpoints = 4;
  std::uint64_t seed = 0;
  std::chrono::nanoseconds qps_window = std::chrono::seconds{60};
};

/// The requests of each endpoint, by its number.
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
  std::uint64_t id_key = 0;
  std::deque<std::int64_t> arrivals = {};  // the bucket of each arrival
  Peak peak = {};
  std::chrono::nanoseconds free_at{0};  // when its last prompt is computed
  // The requests that run or wait there, counted again at each arrival.
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;        // as reported to the router
  std::uint64_t final_tokens = 0;  // with all output tokens
};
using Life = std::shared_ptr<Member>;

/// A request that was routed, and the times at which it leaves its endpoints.
struct Routed {
  std::size_t number = 0;
  replay::TraceRequest request;
  Life prefill = {};
  Life decode = {};
  replay::DecodeBatch batch = {};
  std::chrono::nanoseconds prefill_end{0};
  std::chrono::nanoseconds decode_begin{0};
  std::chrono::nanoseconds decode_end{0};
  bool prefill_over = false;  // its end is measured, or it is cancelled
  bool decode_over = false;

  std::uint64_t told = 0;

  /// The generated tokens that the router has been told of: in lots of 256. The last token ends the lease, so a lot
  /// that ends with it is not reported.
  [[nodiscard]] std::uint64_t reported(std::chrono::nanoseconds now) {
    while (told + 256 < request.output_tokens && decode_begin + replay::decode_time(told + 256, batch) <= now) {
      told += 256;
    }
    return told;
  }
};

/// One role: its members in order of registration, and the state of its policy.
class Leg {
 public:
  Leg(char letter, std::string policy, std::size_t endpoints, std::uint64_t stream, const Rules& rules,
      Generator& shared)
      : letter_(letter),
        policy_(std::move(policy)),
        seed_(rules.seed),
        generator_{seed_of_stream(rules.seed, bits_of_seed(rules.seed, stream == 1) << 33U | stream << 32U)},
        shared_(shared),
        start_(static_cast<std::uint32_t>(bits_of_seed(rules.seed, stream == 1) << 1U)),
        bucket_width_((rules.qps_window.count() + 59) / 60),
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

  /// The dispatcher sees the members of this moment. A rotation over the lowest goes on after the one chosen last; or,
  /// if that one has gone, at the first after it that is still there.
  void refresh() {
    const std::vector<Life> now = eligible();
    if (now == seen_) return;
    const std::vector<Life> before = std::exchange(seen_, now);
    if (now.empty()) return;
    if (sizes_.second == 0) {  // nothing was chosen yet
      after_last_ = place_of_start(0, now.size());
      return;
    }
    if (before.empty()) return;
    const std::size_t last = (after_last_ % before.size() + before.size() - 1) % before.size();
    std::size_t next = after_last_ % before.size() % now.size();
    for (std::size_t k = before.size(); k-- > 0;) {
      const auto place = std::find(now.begin(), now.end(), before[(last + k) % before.size()]);
      if (place == now.end()) continue;
      next = (static_cast<std::size_t>(place - now.begin()) + (k == 0 ? 1 : 0)) % now.size();
    }
    after_last_ = next;
  }

  void forget_what_runs() {
    for (const Life& m : members_) m->requests = m->tokens = m->final_tokens = 0;
  }

  /// Precondition: an endpoint is eligible. `origin` is the number of routes before the last change of the membership,
  /// `since` the number of routes since then. On the second leg, `first` is the number of eligible endpoints of the
  /// first leg's role.
  Life choose(std::uint64_t origin, std::uint64_t since, std::optional<std::size_t> first,
              const replay::TraceRequest& request) {
    const std::vector<Life> candidates = eligible();
    measure(candidates);
    const std::int64_t bucket = request.arrival.count() / bucket_width_;
    const Life chosen = candidates[index(candidates, origin, since, first, bucket, request)];
    chosen->arrivals.push_back(bucket);
    ++counts_[chosen->number];
    return chosen;
  }

  [[nodiscard]] const std::vector<std::uint64_t>& counts() const { return counts_; }
  [[nodiscard]] double max_over_mean() const { return mean_ == 0 ? 0 : max_ / mean_; }

 private:
  void add(std::size_t number) {
    const std::uint64_t id_key = key_of_text(letter_ + std::to_string(number));
    members_.push_back(std::make_shared<Member>(Member{.number = number, .id_key = id_key}));
  }

  void measure(const std::vector<Life>& candidates) {
    std::uint64_t max = 0;
    std::uint64_t sum = 0;
    for (const Life& m : candidates) {
      max = std::max(max, m->final_tokens);
      sum += m->final_tokens;
    }
    max_ += static_cast<double>(max);
    mean_ += static_cast<double>(sum) / static_cast<double>(candidates.size());
  }

  std::size_t index(const std::vector<Life>& candidates, std::uint64_t origin, std::uint64_t since,
                    std::optional<std::size_t> first, std::int64_t bucket, const replay::TraceRequest& request) {
    const std::size_t n = candidates.size();
    // Each change of the members begins rotations at another place.
    const std::uint64_t hash = Generator::mixed(origin);
    if (policy_ == "round-robin") {
      if (!first) return (place_of_start(hash, n) + since) % n;
      return (place_of_start(Generator::mixed(hash), n) + since + since / std::lcm(*first, n)) % n;
    }
    if (policy_ == "random") return generator_.below(n);
    if (policy_ == "qps") {
      return lowest(candidates, first, [bucket](Member& m) {
        while (!m.arrivals.empty() && m.arrivals.front() < bucket - 60) m.arrivals.pop_front();
        return m.arrivals.size();
      });
    }
    if (policy_ == "least-requests") return lowest(candidates, first, [](Member& m) { return m.requests; });
    // All weights are equal here, so the weighted policies draw as these do.
    if (policy_ == "weighted-random") return shared_.below(n);
    if (policy_ == "weighted-two-choices" && n == 1) return shared_.below(n);
    if (policy_ == "two-choices" || policy_ == "weighted-two-choices") return fewer_requests_of_two(candidates);
    if (policy_ == "peak-ewma") return lower_peak_of_two(candidates, request.arrival);
    if (policy_ == "weighted-round-robin") {
      const std::uint64_t begin = first ? Generator::mixed(origin + since / n + 1) % n : 0;
      return (place_of_start(hash, n) + begin + since % n * golden_stride(n)) % n;
    }
    if (policy_ == "rendezvous") {
      return request.key ? home(candidates, static_cast<std::uint64_t>(*request.key))
                         : fewer_requests_of_two(candidates);
    }
    // A prompt has as many tokens as KV tokens, so these two policies have one rule here.
    if (policy_ == "least-tokens" || policy_ == "least-kv") {
      return lowest(candidates, first, [](Member& m) { return m.tokens; });
    }
    throw std::invalid_argument("the reference knows no policy " + policy_);
  }

  /// The place at which a rotation over n begins: the leg's own start, moved on by the upper half of a hash.
  [[nodiscard]] std::size_t place_of_start(std::uint64_t hash, std::uint64_t n) const {
    const std::uint32_t start = start_ + static_cast<std::uint32_t>(hash >> 32U);
    return start * n >> 32U;
  }

  /// The candidate with the lowest cost. Of several, the next one after the last choice. On a second leg whose size has
  /// a common divisor with that of the first, the start moves on by one whenever both legs have come round together;
  /// the first time after a change of the sizes, that may be one such round later.
  template <class Cost>
  std::size_t lowest(const std::vector<Life>& candidates, std::optional<std::size_t> other, const Cost& cost) {
    constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
    if (const auto sizes = std::pair(other, candidates.size()); sizes != sizes_) {
      const bool skips = other && std::gcd(*other, candidates.size()) > 1;
      round_ = skips ? std::lcm(*other, candidates.size()) : never;
      const bool later = skips && sizes_.second != 0 && Generator::mixed(++changed_rounds_) % 2 == 0;
      until_skip_ = later ? 2 * round_ : round_;
      sizes_ = sizes;
    } else if (until_skip_ == 0) {
      until_skip_ = round_;
      ++after_last_;
    }
    --until_skip_;
    std::size_t best = after_last_ % candidates.size();
    for (std::size_t step = 1; step < candidates.size(); ++step) {
      const std::size_t i = (after_last_ + step) % candidates.size();
      if (cost(*candidates[i]) < cost(*candidates[best])) best = i;
    }
    after_last_ = best + 1;
    return best;
  }

  /// Draws two different candidates; all pairs are equally likely. Precondition: there are two.
  std::pair<std::size_t, std::size_t> two_of(std::size_t n) {
    const std::size_t one = shared_.below(n);
    const std::size_t place = shared_.below(n - 1);  // among the other candidates
    return {one, place < one ? place : place + 1};
  }

  /// Power of two choices: of two random candidates, the one with fewer requests; if equal, the one drawn first.
  std::size_t fewer_requests_of_two(const std::vector<Life>& candidates) {
    if (candidates.size() == 1) return 0;
    const auto [one, other] = two_of(candidates.size());
    return candidates[other]->requests < candidates[one]->requests ? other : one;
  }

  /// Power of two choices by peak-EWMA cost: latency times requests, with this one. As a measurement fades, the latency
  /// moves to what is typical of the two. Within 5 % of that, it counts as typical.
  std::size_t lower_peak_of_two(const std::vector<Life>& candidates, std::chrono::nanoseconds now) {
    if (candidates.size() == 1) return 0;
    const auto [one, other] = two_of(candidates.size());
    const Peak& a = candidates[one]->peak;
    const Peak& b = candidates[other]->peak;
    const double known = a.freshness(now) + b.freshness(now);
    const double typical = known > 0 ? (a.freshness(now) * a.value() + b.freshness(now) * b.value()) / known : 1;
    const auto cost = [&](const Member& m) {
      const double beyond = m.peak.freshness(now) * (m.peak.value() - typical);
      const double seconds = typical + (std::abs(beyond) > 0.05 * typical ? beyond : 0);
      return seconds * static_cast<double>(m.requests + 1);
    };
    return cost(*candidates[other]) < cost(*candidates[one]) ? other : one;
  }

  /// Rendezvous hashing with equal weights: the candidate with the highest number for this key, among those with less
  /// than 1.25 times their share of the requests, including this one.
  std::size_t home(const std::vector<Life>& candidates, std::uint64_t key) {
    std::uint64_t requests = 1;
    for (const Life& m : candidates) requests += m->requests;
    std::optional<std::size_t> best;
    std::uint64_t highest = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const std::uint64_t number = Generator::mixed(seed_of_stream(seed_, key) ^ candidates[i]->id_key);
      const bool room = 4 * candidates.size() * candidates[i]->requests < 5 * requests;
      if (!room || (best && number <= highest)) continue;
      best = i;
      highest = number;
    }
    return best.value();
  }

  char letter_;  // the first letter of ids
  std::string policy_;
  std::uint64_t seed_;
  Generator generator_;  // used by this leg alone
  Generator& shared_;    // shared by both legs
  std::uint32_t start_;  // where rotations begin
  std::int64_t bucket_width_;
  std::vector<Life> members_;
  std::vector<std::uint64_t> counts_;
  std::vector<Life> seen_;  // the eligible that the dispatcher knows
  std::size_t after_last_ = 0;
  std::pair<std::optional<std::size_t>, std::size_t> sizes_;
  std::uint64_t round_ = 0;       // choices between two skips
  std::uint64_t until_skip_ = 0;  // choices before the next skip
  std::uint64_t changed_rounds_ = 0;
  double max_ = 0;
  double mean_ = 0;
};

/// Gives the endpoints the durations of the requests that have ended by now, in order of their ends.
inline void measure_what_ended(std::vector<Routed>& routed, std::chrono::nanoseconds now) {
  struct Ended {
    std::chrono::nanoseconds at;
    const Routed* request;
    Member* endpoint;
  };
  std::vector<Ended> ended;
  for (Routed& r : routed) {
    if (!r.prefill_over && r.prefill_end <= now) ended.push_back({r.prefill_end, &r, r.prefill.get()});
    if (!r.decode_over && r.decode_end <= now) ended.push_back({r.decode_end, &r, r.decode.get()});
    r.prefill_over = r.prefill_over || r.prefill_end <= now;
    r.decode_over = r.decode_over || r.decode_end <= now;
  }
  // Requests that end at one moment stay in order of their arrival.
  std::stable_sort(ended.begin(), ended.end(), [](const Ended& a, const Ended& b) { return a.at < b.at; });
  for (const Ended& e : ended) e.endpoint->peak.add(e.at - e.request->request.arrival, e.at);
}

inline Counts predict(const replay::Trace& trace, const replay::ChurnSchedule& churn, const Rules& rules) {
  // One seed, and three streams: one for each role, and one that both share. The replay has only the first dispatcher.
  Generator shared{seed_of_stream(rules.seed, std::uint64_t{2} << 32U)};
  Leg prefill{'p', rules.prefill_policy, rules.prefill_endpoints, 0, rules, shared};
  Leg decode{'d', rules.decode_policy, rules.decode_endpoints, 1, rules, shared};
  std::vector<Routed> routed;  // those that still run
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
          measure_what_ended(routed, event->at);
          r.prefill_end = std::min(r.prefill_end, event->at);
          r.decode_end = std::min(r.decode_end, event->at);
          r.prefill_over = r.decode_over = true;
        }
        continue;
      }
      (event->role == pdroute::Role::prefill ? prefill : decode).apply(*event);
      origin = turn;
    }

    measure_what_ended(routed, now);
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

    prefill.refresh();
    decode.refresh();
    if (prefill.eligible().empty() || decode.eligible().empty()) {
      ++unrouted;
      continue;
    }
    Routed r{.number = number, .request = request};
    r.prefill = prefill.choose(origin, turn - origin, std::nullopt, request);
    r.decode = decode.choose(origin, turn - origin, prefill.eligible().size(), request);
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
