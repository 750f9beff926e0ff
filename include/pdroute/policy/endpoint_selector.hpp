// SPDX-License-Identifier: Apache-2.0
// What a policy is: the concept EndpointSelector.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/policy/choice_context.hpp>

namespace pdroute {
inline namespace v0 {

/// A policy: a type whose const `select` names one of the candidates, or none.
///
/// `policy.select(candidates, request, context)` is of type `std::optional<std::size_t>` and means an index below
/// `candidates.size()`, or nobody: `std::nullopt`.
///
/// `policy` is const: one policy object serves all threads at once. `select` must not change an endpoint, must not
/// throw, and returns `std::nullopt` for no candidates. It may read from the context
/// - `now()`: the time, read from the caller's clock at most once per route;
/// - `below(n)`: an unbiased draw from [0, n), from the dispatcher's seeded generator;
/// - `state()`: what this dispatcher remembers for this policy, see below;
/// - `turn()`: a number that counts the choices of this leg over all dispatchers; costs an atomic addition;
/// - `origin()`: this leg's turn at which the present candidates came into force;
/// - `first_size()`: for the leg chosen second, the number of candidates of the first; 0 for the first leg;
/// - `generation()`: a number that changes whenever the eligible endpoints of either leg do;
/// - `narrowed()`: whether these candidates are only some of the eligible, because this request has a filter or others
///   are full. What counts turns over all of them means nothing over some.
///
/// Optional members of a policy:
/// - `auto make_state(std::uint64_t stream) const`: the state for one leg of one dispatcher. The stream's low 32 bits
///   number the dispatcher; no two legs have the same stream. A state that says where the policy stands, such as whose
///   turn it is, also has `auto cursor() const` and `void go_back(cursor)`, by which the router takes a choice back
///   when the other leg found nobody.
/// - `using Load = ...` and `load_options() const`: the load metric that candidates must carry, see `NoLoad`.
/// - `std::optional<ConfigError> check() const`: what is wrong with the policy's configuration, if anything.
/// - `static constexpr std::string_view reason`: why the chosen one, in a few words, for `Dispatcher::explain`.
/// - `void explain(candidates, request, context, trace) const`, instead: says more, once per explanation. It may call
///   `trace.cost(i, name, number)` for what the i-th candidate costs, as often as it likes, and
///   `trace.reason(text)`. Everything is as it will be for `select`: whoever draws from the context draws the same.
///   To explain, the state is copied, so it must be copyable, and a copy must not share what `select` changes.
template <class P, class Candidates, class Request, class Context>
concept EndpointSelector =
    CandidateRange<Candidates> && ChoiceContext<Context> &&
    requires(const P& policy, const Candidates& candidates, const Request& request, Context& context) {
      { policy.select(candidates, request, context) } -> std::same_as<std::optional<std::size_t>>;
    };

}  // namespace v0
}  // namespace pdroute
