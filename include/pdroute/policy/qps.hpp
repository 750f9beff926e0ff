// SPDX-License-Identifier: Apache-2.0
// QpsPolicy: the endpoint that was given the fewest requests lately.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/load/rate_window.hpp>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/policy/explain_lowest.hpp>
#include <pdroute/policy/lowest.hpp>
#include <pdroute/policy/tie_rule.hpp>
#include <string_view>

namespace pdroute::inline v0 {

/// Candidates that tell how many requests each was given within a window, as `RequestRate` does.
template <class C>
concept RatedCandidates = CandidateRange<C> && requires(const C& candidates, std::size_t i, std::int64_t bucket) {
  { candidates[i].arrivals(bucket) } -> std::unsigned_integral;
};

/// A cost: requests given to the candidate within `window`.
struct ArrivalRate {
  static constexpr std::string_view name = "arrivals";
  RateWindow window = std::chrono::seconds{60};

  using Load = RequestRate;
  [[nodiscard]] RateWindow load_options() const noexcept { return window; }
  template <RatedCandidates LookedAt>
  [[nodiscard]] auto prepare(const LookedAt& /*looked_at*/, const auto& /*request*/, auto& context) const {
    return [bucket = window.bucket(context.now())](const auto& candidate) { return candidate.arrivals(bucket); };
  }
};

/// Chooses the endpoint with the lowest arrival rate: requests given to it within `window`, over the window.
///
/// Guarantees. A choice counts from the moment the router reserves it. An endpoint without arrivals counts zero. The
/// rate read is never below the exact one, and above it by at most the arrivals of one bucket (a sixtieth of the
/// window, see `RequestRate`). Ties follow `tie`.
///
/// Use it to spread arrivals evenly while endpoints come and go: a new one catches up instead of waiting for its turn.
/// It knows nothing of work: a prompt of 100,000 tokens counts as one of ten, and a long answer is invisible once its
/// arrival has left the window.
///
/// Cost: O(n) to choose, one clock read; O(1) and 0.5 KiB per endpoint for the rate.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the least-QPS strategy of vLLM's production stack (PR 587); docs/policies.md says where this one differs.
template <TieRule tie = TieRule::rotating>
struct QpsPolicy {
  /// Arrivals older than this are forgotten. 60 s as in the production stack.
  RateWindow window = std::chrono::seconds{60};

  using Load = RequestRate;
  [[nodiscard]] RateWindow load_options() const noexcept { return window; }
  [[nodiscard]] detail::TieState make_state(std::uint64_t /*stream*/) const noexcept { return {}; }
  [[nodiscard]] std::optional<ConfigError> check() const { return window.check(); }

  template <RatedCandidates Candidates, class Request, ChoiceContext Context>
  [[nodiscard, gnu::always_inline]] inline std::optional<std::size_t> select(const Candidates& candidates,
                                                                             const Request& request,
                                                                             Context& context) const {
    return detail::lowest<tie>(candidates, ArrivalRate{window}.prepare(candidates, request, context), context);
  }

  /// Tells the arrivals within the window.
  template <RatedCandidates Candidates, class Request, ChoiceContext Context, class Account>
  void explain(const Candidates& candidates, const Request& /*request*/, Context& context, Account& account) const {
    const auto arrivals = [bucket = window.bucket(context.now())](const auto& candidate) {
      return candidate.arrivals(bucket);
    };
    for (std::size_t i = 0; i < candidates.size(); ++i)
      account.cost(i, "arrivals", static_cast<double>(arrivals(candidates[i])));
    account.reason(detail::lowest_of(candidates.size(), detail::count_of_lowest(candidates, arrivals),
                                     detail::tie_text<tie>(context)));
  }
};

}  // namespace pdroute::inline v0
