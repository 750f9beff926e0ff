// SPDX-License-Identifier: Apache-2.0
// EndpointSelector: the concept that every policy models.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/policy/choice_context.hpp>

namespace pdroute {
inline namespace v0 {

/// A policy: a type with a const member `select` that chooses one of the candidates, or none.
///
/// `policy.select(candidates, request, context)` returns `std::optional<std::size_t>`: an index below
/// `candidates.size()`, or `std::nullopt` for "no endpoint".
///
/// Requirements. `select` is const, because all threads share one policy object. It does not change an endpoint and
/// does not throw. It returns `std::nullopt` if there are no candidates.
///
/// `select` may read from the context:
/// - `now()`: the time. The caller's clock is read at most once per route.
/// - `below(n)`: an unbiased draw from [0, n), from the dispatcher's seeded generator.
/// - `state()`: what this dispatcher remembers for this policy; see `make_state` below.
/// - `turn()`: the number of this choice, counted for this leg over all dispatchers: 64 bits. It costs an atomic
///   addition.
/// - `origin()`: the turn of this leg from which the present candidates are in force.
/// - `first_size()`: on the second leg, the number of candidates of the first leg; on the first leg, 0.
/// - `generation()`: a number that changes whenever the eligible endpoints of either leg change.
/// - `narrowed()`: true if the candidates are only some of the eligible endpoints, because this request has a filter
///   or the other endpoints are full. A turn counts over all eligible endpoints, so it means nothing then.
///
/// Optional members of a policy:
/// - `auto make_state(std::uint64_t stream) const` makes the state for one leg of one dispatcher. The low 32 bits of
///   the stream are the number of the dispatcher, bit 32 is the leg, and the bits above follow from the router's seed.
///   No two legs have the same stream. A state that has a position, such as the next turn, also has
///   `auto cursor() const` and `void go_back(cursor)`. With these two the router takes a choice back when the other leg
///   finds no endpoint. A state whose position depends on the list also has `void candidates_changed(before, now)`: the
///   dispatcher calls it with the old list and the new one whenever it has fetched a newer one.
/// - `using Load = ...` and `load_options() const` name the load metric that every candidate must carry; see `NoLoad`.
/// - `std::optional<ConfigError> check() const` says what is wrong with the policy's configuration, if anything is.
/// - `static constexpr bool reaches_bound_only = true` says that the policy knows sessions. The router then also shows
///   it the endpoints that take bound sessions only: `candidates.bound_only_size()` of them, at the indices from
///   `candidates.size()` on. It may choose one of those if the request's session is bound to it, and must do so if it
///   is asked over no other candidates. A policy that holds such a policy has to say so, too, unless it derives from
///   it.
/// - `static constexpr std::string_view reason` says in a few words why an endpoint is chosen, for
///   `Dispatcher::explain`.
/// - `void explain(candidates, request, context, trace) const` replaces `reason` and can say more. The router calls it
///   each time it asks the policy during an explanation; the last call counts. It may call `trace.reason(text)`, and
///   `trace.cost(i, name, number)` any number of times to say what the i-th candidate costs. The context is in the same
///   state as for `select`, so draws from it give the same numbers. For an explanation the router copies the state. So
///   the state must be copyable, and a copy must not share anything that `select` changes.
template <class P, class Candidates, class Request, class Context>
concept EndpointSelector =
    CandidateRange<Candidates> && ChoiceContext<Context> &&
    requires(const P& policy, const Candidates& candidates, const Request& request, Context& context) {
      { policy.select(candidates, request, context) } -> std::same_as<std::optional<std::size_t>>;
    };

}  // namespace v0
}  // namespace pdroute
