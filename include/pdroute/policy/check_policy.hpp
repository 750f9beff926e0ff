// SPDX-License-Identifier: Apache-2.0
// check_policy: a compile-time check that tells the author of a policy in one sentence what is missing.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// `select` can be called on a const policy.
template <class P, class Candidates, class Request, class Context>
concept HasSelect = requires(const P& policy, const Candidates& candidates, const Request& request, Context& context) {
  policy.select(candidates, request, context);
};
/// `select` can be called on a policy that is not const.
template <class P, class Candidates, class Request, class Context>
concept HasMutableSelect = requires(P& policy, const Candidates& candidates, const Request& request, Context& context) {
  policy.select(candidates, request, context);
};
/// `select` returns exactly `std::optional<std::size_t>`.
template <class P, class Candidates, class Request, class Context>
concept ReturnsAnIndex =
    requires(const P& policy, const Candidates& candidates, const Request& request, Context& context) {
      { policy.select(candidates, request, context) } -> std::same_as<std::optional<std::size_t>>;
    };

/// The policy has an optional member that is not const. The library would ignore it, which hides a mistake.
template <class P>
concept ForgottenConst = (requires(P& p) { p.check(); } && !requires(const P& p) { p.check(); }) ||
                         (requires(P& p) { p.load_options(); } && !requires(const P& p) { p.load_options(); }) ||
                         (requires(P& p) { p.make_state(0); } && !requires(const P& p) { p.make_state(0); });

}  // namespace detail

/// Returns true if `P` can choose among `Candidates`. Otherwise compilation stops with a sentence that names the
/// missing piece. The router calls it for its policies. The author of a policy can call it next to the definition:
///
///     static_assert(pdroute::check_policy<MyPolicy, std::vector<MyNode>>());
template <class P, class Candidates, class Req = Request, class Context = LocalContext<P>>
[[nodiscard]] consteval bool check_policy() {
  using namespace detail;
  static_assert(std::move_constructible<P>, "pdroute: a policy must be movable, because the router takes it by value");
  static_assert(
      !ForgottenConst<P>,
      "pdroute: a policy's `make_state`, `load_options` and `check` must be const; otherwise they are ignored");
  static_assert(CandidateRange<Candidates>, "pdroute: candidates need `size()` and `operator[](std::size_t)`");
  if constexpr (CandidateRange<Candidates>) {
    constexpr bool callable = HasSelect<P, Candidates, Req, Context>;
    constexpr bool callable_if_mutable = !callable && HasMutableSelect<P, Candidates, Req, Context>;
    static_assert(!callable_if_mutable,
                  "pdroute: a policy's `select` must be const, because all threads share one policy object; keep what "
                  "changes in the state that `make_state` returns for each dispatcher");
    static_assert(callable || callable_if_mutable,
                  "pdroute: a policy needs `std::optional<std::size_t> select(const auto& candidates, const auto& "
                  "request, auto& context) const`, and the candidates must offer what `select` reads; to use a "
                  "cost as a policy, write LowestCostPolicy<Cost>, and make the cost's call operator const");
    if constexpr (callable) {
      static_assert(ReturnsAnIndex<P, Candidates, Req, Context>,
                    "pdroute: a policy's `select` must return std::optional<std::size_t>: an index below "
                    "candidates.size(), or std::nullopt; not -1, a pointer or a reference");
    }
  }
  return EndpointSelector<P, Candidates, Req, Context>;
}

}  // namespace v0
}  // namespace pdroute
