// SPDX-License-Identifier: Apache-2.0
// Explains a route: rehearses both legs, in the order and with the conclusions of `Dispatcher::route`.
#pragma once

#include <cstddef>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/random.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/dry_run.hpp>
#include <pdroute/router/detail/read_once_clock.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/detail/ticket_counter.hpp>
#include <pdroute/router/explanation.hpp>
#include <pdroute/router/filter.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// As `Dispatcher::choose_both`: why there is nobody, if so.
template <class First, class Second, class Request, class Facts>
[[nodiscard]] std::optional<NoEndpoint> rehearse_both(First& first, Second& second, const Request& request,
                                                      Facts& facts) {
  if (first.size() == 0) return first.nobody();
  if (second.size() == 0) return second.nobody();
  if (!first.choose(request, facts, 0)) return first.nobody();
  if (!second.choose(request, facts, first.size())) return second.nobody();
  return std::nullopt;
}

/// As `Dispatcher::choose_filtered`.
template <class First, class Second, class Request, class Facts, class Endpoint>
[[nodiscard]] std::optional<NoEndpoint> rehearse_filtered(First& first, Second& second, const Request& request,
                                                          Facts& facts, const RouteFilter<Endpoint>& filter) {
  using Verdict = typename First::Verdict;
  std::optional<NoEndpoint> second_reason;
  Evaluation second_findings;  // that led to it
  bool gave_up = false;
  const auto chosen =
      first.choose_among(request, facts, 0, First::filter_of(filter), First::any_endpoint, [&](const Endpoint& one) {
        const auto compatible = [&](const Endpoint& other) {
          if (!filter.compatible) return true;
          return First::role == Role::prefill ? filter.compatible(one, other) : filter.compatible(other, one);
        };
        const auto take = [](const Endpoint& /*other*/) { return Second::Verdict::take; };
        if (second.choose_among(request, facts, first.size(), Second::filter_of(filter), compatible, take))
          return Verdict::take;
        const NoEndpoint reason = second.nobody();
        if (!second_reason || reason.overloaded()) {
          second_reason = reason;
          second_findings = second.evaluation();
        }
        gave_up = reason.incompatible == 0;
        return gave_up ? Verdict::give_up : Verdict::try_another;
      });
  if (chosen) return std::nullopt;
  const NoEndpoint first_reason = first.nobody();
  if (!second_reason || !(gave_up || second_reason->overloaded() || !first_reason.overloaded())) return first_reason;
  second.recall(std::move(second_findings));
  return second_reason;
}

template <class First, class Second, class Request, class Facts, class Endpoint>
[[nodiscard]] std::optional<NoEndpoint> rehearse(First& first, Second& second, const Request& request, Facts& facts,
                                                 const RouteFilter<Endpoint>& filter) {
  const std::optional<NoEndpoint> refusal = filter.empty()
                                                ? detail::rehearse_both(first, second, request, facts)
                                                : detail::rehearse_filtered(first, second, request, facts, filter);
  if (refusal) {
    first.nobody_because(*refusal, request, facts, 0, First::filter_of(filter));
    second.nobody_because(*refusal, request, facts, first.size(), Second::filter_of(filter));
  }
  return refusal;
}

/// What a dispatcher would choose next, if nothing else happens: `generator` and the rehearsals are copies of what it
/// has, and turns are seen, not taken.
template <class Core, class Prefill, class Decode, class Request, class Endpoint>
[[nodiscard]] Explanation<Endpoint> explain(Core& core, SplitMix64 generator, Prefill prefill, Decode decode,
                                            const Request& request, const RouteFilter<Endpoint>& filter) {
  CallFacts facts{ReadOnceClock{core.clock}, TicketCounter::Draw::foreseen(core.turns), &generator,
                  prefill.generation() + decode.generation()};
  Explanation<Endpoint> explanation;
  explanation.refusal = core.first == Role::prefill ? detail::rehearse(prefill, decode, request, facts, filter)
                                                    : detail::rehearse(decode, prefill, request, facts, filter);
  explanation.prefill = prefill.explained();
  explanation.decode = decode.explained();
  return explanation;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
