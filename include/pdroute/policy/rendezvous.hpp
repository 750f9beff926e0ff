// SPDX-License-Identifier: Apache-2.0
// RendezvousPolicy: sends requests with the same key to the same endpoint, as long as it is not overloaded.
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

/// The rank of an endpoint for a key. The lowest `bits / weight` ranks first; equal ranks are ordered by `id_hash`.
struct RendezvousRank {
  std::uint64_t bits;
  std::uint64_t weight;
  std::uint64_t id_hash;

  [[nodiscard]] friend constexpr bool operator<(const RendezvousRank& a, const RendezvousRank& b) noexcept {
    // Cross-multiplied, which avoids a division. Each product is below 2^47 * 10,000, so it does not overflow.
    const std::uint64_t left = a.bits * b.weight;
    const std::uint64_t right = b.bits * a.weight;
    return left != right ? left < right : a.id_hash < b.id_hash;
  }
};

/// How many requests an endpoint may have in flight: its share of all requests by weight, times a bound, rounded up.
/// The bound itself is rounded down, so that where bound times share is a whole number, no request more is allowed.
class LoadBound {
 public:
  /// Precondition: `bound` is in range, `weights` > 0. `requests` up to 2^28 do not overflow.
  constexpr LoadBound(double bound, std::uint64_t requests, std::uint64_t weights) noexcept
      : weights_(weights),
        per_weight_(fixed(bound) * requests / weights),
        remainder_(fixed(bound) * requests % weights) {}

  /// The limit of an endpoint with this weight.
  [[nodiscard]] constexpr std::uint64_t limit(std::uint64_t weight) const noexcept {
    const std::uint64_t exact = per_weight_ * weight + (remainder_ * weight + weights_ - 1) / weights_;
    return (exact + one - 1) / one;
  }

 private:
  static constexpr std::uint64_t one = std::uint64_t{1} << 16U;

  /// `bound` in units of 2^-16, rounded down; a bound of 1 stays 1. The product with a power of two is exact, so all
  /// platforms get the same number.
  [[nodiscard]] static constexpr std::uint64_t fixed(double bound) noexcept {
    return static_cast<std::uint64_t>(bound * double{one});
  }

  std::uint64_t weights_;
  std::uint64_t per_weight_;  // quotient and remainder are kept apart, because a product with a weight might overflow
  std::uint64_t remainder_;
};

}  // namespace detail

/// Candidates that tell what rendezvous hashing with bounded loads reads: weight, hash of the id, requests in flight.
template <class C>
concept RendezvousCandidates = IdentifiedCandidates<C> && CountedCandidates<C>;

/// Rendezvous hashing with bounded loads: chooses the same endpoint, the home of the key, for all requests with equal
/// keys. What the endpoint has cached for a session or a prefix is found there. No table of keys is kept. Requests
/// without a key go to the policy `Fallback`.
///
/// Guarantees. Each endpoint is the home of a share of the keys in proportion to its weight (`EndpointTraits::weight`),
/// within 0.1 % of a share apart from chance. A home depends only on the key, the seed, and the ids and weights of the
/// candidates. So all gateways with the same candidates agree, in any order of the list and on every platform. When an
/// endpoint goes, its keys are spread over the others, and no other key moves. When it is back, exactly those keys
/// return.
///
/// No endpoint gets more requests in flight than its share by weight times `bound`, rounded up. The requests in flight
/// are those of this gateway, this one included. An endpoint at its limit is passed over, and the next one in the key's
/// own order is tried. So one hot key spreads over as many endpoints as it needs, and returns to its home when the
/// home is below its limit. Threads that choose at the same time do not see each other, and may pass the bound by one
/// each.
///
/// Use it when requests have a key for a session, a user or a prefix (`Request::key`, or an optional member `key` of
/// your own request type), and no index says which endpoint has cached what. Do not use it when load matters more than
/// caches: it sees the number of requests and not their size.
///
/// Complexity: O(n), three passes. No allocation, no shared write, no clock.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998. The weights, by
/// -log(u) / weight: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005. The bound: Mirrokni, Thorup
/// and Zadimoghaddam, "Consistent hashing with bounded loads", 2018, where it is stated for a ring.
template <class Fallback = PowerOfTwoChoicesPolicy<>>
struct RendezvousPolicy {
  /// How many times its share an endpoint may have in flight: from 1 to a million, which is no bound in practice. The
  /// default is 1.25, as in KubeAI and SGLang's gateway. A lower bound moves more requests away from their caches, and
  /// a higher one lets queues differ more.
  double bound = 1.25;
  /// Gateways that must agree need the same seed. With different seeds, the two legs of a route place keys
  /// independently, even if both roles have endpoints with the same ids.
  std::uint64_t seed = 0;
  [[no_unique_address]] Fallback fallback = {};  ///< chooses for requests without a key

  /// The load metrics: the endpoint's identity, and what the fallback reads.
  using Load = detail::JoinedLoads<Identity, detail::LoadOf<Fallback>>;
  /// The options of the load metrics.
  [[nodiscard]] constexpr typename Load::Options load_options() const {
    return detail::joined_options<Load>(detail::MetricSource<Identity>{}, fallback);
  }
  /// Makes the state of the fallback for one leg of one dispatcher. Keys need no state.
  [[nodiscard]] constexpr auto make_state(std::uint64_t stream) const { return detail::make_state(fallback, stream); }
  /// Says whether `bound` is out of range, or what is wrong with the fallback.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (!(1 <= bound && bound <= 1'000'000))
      return ConfigError{ConfigError::Rule::load_bound_in_range, detail::number_text(bound)};
    return detail::check_configuration(fallback);
  }

  /// Chooses for the request's key, or by the fallback for a request without one.
  [[nodiscard, gnu::always_inline]] inline auto select(const RendezvousCandidates auto& candidates, const auto& request,
                                                       auto& context) const -> std::optional<std::size_t> {
    const std::optional<Key> key = detail::key_of(request);
    if (!key) return fallback.select(candidates, request, context);
    return within_bound(*key, candidates);
  }
  /// Says whether the chosen endpoint is the home of the key.
  void explain(const auto& candidates, const auto& request, auto& context, auto& trace) const {
    const std::optional<Key> key = detail::key_of(request);
    if (!key) return detail::explain_choice(fallback, candidates, request, context, trace);
    trace.reason(within_bound(*key, candidates) == home_of(*key, candidates)
                     ? "the home of the request's key"
                     : "next in the key's order: its home has its share");
  }

 private:
  /// The candidate that ranks first for the key among those for which `admitted(candidate, weight)` is true. A
  /// candidate that ranks behind the best one so far is skipped before `admitted` is called.
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
  /// The home of the key: the candidate that ranks first for it, whatever its load.
  template <class Candidates>
  [[nodiscard]] std::optional<std::size_t> home_of(Key key, const Candidates& candidates) const {
    return front_of(key, candidates, [](const auto& /*candidate*/, std::uint64_t weight) { return weight > 0; });
  }
  /// The candidate that ranks first for the key among those below their bound.
  template <class Candidates>
  [[nodiscard]] std::optional<std::size_t> within_bound(Key key, const Candidates& candidates) const {
    std::uint64_t requests = 1;  // this request
    for (std::size_t i = 0; i < candidates.size(); ++i)
      requests += static_cast<std::uint64_t>(candidates[i].in_flight());
    const std::uint64_t weights = detail::sum_of_weights(candidates);
    if (weights == 0) return std::nullopt;
    const detail::LoadBound share(bound, requests, weights);
    const auto below_bound = [&](const auto& candidate, std::uint64_t weight) {
      return static_cast<std::uint64_t>(candidate.in_flight()) < share.limit(weight);
    };
    if (const auto front = front_of(key, candidates, below_bound)) return front;
    // The limits together leave room for this request, so an empty result means that counts have grown since they were
    // added up. The home gets the request then.
    return home_of(key, candidates);
  }
};

}  // namespace v0
}  // namespace pdroute
