// SPDX-License-Identifier: Apache-2.0
// RendezvousPolicy: requests with the same key meet at the same endpoint, as long as that is not overloaded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/key.hpp>
#include <pdroute/load/identity.hpp>
#include <pdroute/policy/detail/explain_choice.hpp>
#include <pdroute/policy/detail/integer_log2.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/detail/weighted_choice.hpp>
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <string>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// How far in front an endpoint is for a key: the lower the number of bits per weight, the further.
struct RendezvousRank {
  std::uint64_t bits;
  std::uint64_t weight;
  std::uint64_t id_hash;

  [[nodiscard]] friend constexpr bool operator<(const RendezvousRank& a, const RendezvousRank& b) noexcept {
    // Below 2^47 * 10,000 each, so the products do not overflow.
    const std::uint64_t left = a.bits * b.weight;
    const std::uint64_t right = b.bits * a.weight;
    return left != right ? left < right : a.id_hash < b.id_hash;
  }
};

/// How many requests an endpoint may have: its share by weight of all of them, times a bound, rounded up.
class LoadBound {
 public:
  /// Precondition: `bound` is in range, `weights` > 0. `requests` up to 2^28 do not overflow.
  constexpr LoadBound(double bound, std::uint64_t requests, std::uint64_t weights) noexcept
      : weights_(weights),
        per_weight_(fixed(bound) * requests / weights),
        remainder_(fixed(bound) * requests % weights) {}

  [[nodiscard]] constexpr std::uint64_t limit(std::uint64_t weight) const noexcept {
    const std::uint64_t exact = per_weight_ * weight + (remainder_ * weight + weights_ - 1) / weights_;
    return (exact + one - 1) / one;
  }

 private:
  static constexpr std::uint64_t one = std::uint64_t{1} << 16U;

  /// In units of 2^-16, rounded to the nearest: a product with a power of two is exact, so all platforms agree.
  [[nodiscard]] static constexpr std::uint64_t fixed(double bound) noexcept {
    return static_cast<std::uint64_t>(bound * double{one} + 0.5);
  }

  std::uint64_t weights_;
  std::uint64_t per_weight_;  // the quotient and the remainder, because the product with a weight might overflow
  std::uint64_t remainder_;
};

}  // namespace detail

/// Candidates that rendezvous hashing with bounded loads reads: weight, hash of the id, requests in flight.
template <class C>
concept RendezvousCandidates = IdentifiedCandidates<C> && CountedCandidates<C>;

/// Gives every key an endpoint of its own: equal keys go to the same one, so that what it has cached for a session or a
/// prefix is found there, and no table is kept. Requests without a key are `Fallback`'s.
///
/// Guarantees. Keys are shared out in proportion to the weights (`EndpointTraits::weight`), chance apart within 0.1 %
/// of a share. A key's home follows from the key, the seed, and the ids and weights of the candidates alone: every
/// gateway with the same list agrees, in whatever order, on every platform. When an endpoint goes, its keys are shared
/// out among the others and no other key moves; when it is back, exactly those return.
///
/// But no endpoint is given more than its share by weight of the requests in flight, this one included, times `bound`,
/// rounded up: whoever would be, passes the request on to the next in the key's own order. So one hot key spreads over
/// as many endpoints as it needs, and returns when they are idle. What is in flight is what this gateway knows.
/// (Threads that choose at the same moment do not see each other, and may pass the bound by one each.)
///
/// Use it for sessions, users or prefixes with a key (`Request::key`, or an optional member `key` of your own request
/// type) where no index says who has cached what.
///
/// Cost: O(n), two passes; no allocation, no shared write, no clock.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998; the weights, by
/// -log(u) / weight: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005; the bound: Mirrokni, Thorup
/// and Zadimoghaddam, "Consistent hashing with bounded loads", 2018, where it is stated for a ring.
template <class Fallback = PowerOfTwoChoicesPolicy<>>
struct RendezvousPolicy {
  /// How many times its share an endpoint may have in flight; from 1, and a million is no bound in practice. 1.25 as in
  /// KubeAI and SGLang's gateway: lower moves more requests away from their caches, higher lets queues differ more.
  double bound = 1.25;
  /// Gateways that shall agree need the same one. With different ones, the two legs of a route place keys
  /// independently, also where both roles have endpoints of the same ids.
  std::uint64_t seed = 0;
  [[no_unique_address]] Fallback fallback = {};

  using Load = detail::JoinedLoads<Identity, detail::LoadOf<Fallback>>;
  [[nodiscard]] constexpr typename Load::Options load_options() const {
    return detail::joined_options<Load>(detail::MetricSource<Identity>{}, fallback);
  }
  /// The fallback's: nothing is remembered for keys.
  [[nodiscard]] constexpr auto make_state(std::uint64_t stream) const { return detail::make_state(fallback, stream); }
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (!(1 <= bound && bound <= 1'000'000))
      return ConfigError{ConfigError::Rule::load_bound_in_range, detail::number_text(bound)};
    return detail::check_configuration(fallback);
  }

  [[nodiscard, gnu::always_inline]] inline auto select(const RendezvousCandidates auto& candidates, const auto& request,
                                                       auto& context) const -> std::optional<std::size_t> {
    const std::optional<Key> key = detail::key_of(request);
    if (!key) return fallback.select(candidates, request, context);
    return within_bound(*key, candidates);
  }
  void explain(const auto& candidates, const auto& request, auto& context, auto& trace) const {
    const std::optional<Key> key = detail::key_of(request);
    if (!key) return detail::explain_choice(fallback, candidates, request, context, trace);
    trace.reason(within_bound(*key, candidates) == home_of(*key, candidates)
                     ? "the home of the request's key"
                     : "next in the key's order: its home has its share");
  }

 private:
  /// The endpoint that is in front for the key among those for which `admitted(candidate, weight)`.
  template <class Candidates, class Admitted>
  [[nodiscard]] std::optional<std::size_t> front_of(Key key, const Candidates& candidates,
                                                    const Admitted& admitted) const {
    const std::uint64_t salt = stream_seed(seed, static_cast<std::uint64_t>(key));
    std::optional<std::size_t> front;
    detail::RendezvousRank lowest{};
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const std::uint64_t id_hash = candidates[i].id_hash();
      const std::uint64_t u = std::max<std::uint64_t>(SplitMix64::mix(salt ^ id_hash), 1);
      const detail::RendezvousRank rank{detail::negative_log2(u), detail::candidate_weight(candidates[i]), id_hash};
      if ((front && !(rank < lowest)) || !admitted(candidates[i], rank.weight)) continue;
      lowest = rank;
      front = i;
    }
    return front;
  }
  template <class Candidates>
  [[nodiscard]] std::optional<std::size_t> home_of(Key key, const Candidates& candidates) const {
    return front_of(key, candidates, [](const auto& /*candidate*/, std::uint64_t weight) { return weight > 0; });
  }
  template <class Candidates>
  [[nodiscard]] std::optional<std::size_t> within_bound(Key key, const Candidates& candidates) const {
    std::uint64_t requests = 1;
    for (std::size_t i = 0; i < candidates.size(); ++i)
      requests += static_cast<std::uint64_t>(candidates[i].in_flight());
    const std::uint64_t weights = detail::sum_of_weights(candidates);
    if (weights == 0) return std::nullopt;
    const detail::LoadBound share(bound, requests, weights);
    const auto below_bound = [&](const auto& candidate, std::uint64_t weight) {
      return static_cast<std::uint64_t>(candidate.in_flight()) < share.limit(weight);
    };
    if (const auto front = front_of(key, candidates, below_bound)) return front;
    // All limits together leave room for this request, so counts have grown since they were added up.
    return home_of(key, candidates);
  }
};

}  // namespace v0
}  // namespace pdroute
