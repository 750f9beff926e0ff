// SPDX-License-Identifier: Apache-2.0
// Explains a route: a dry run of both legs, in the order and with the conclusions of `Dispatcher::route`.
#pragma once

#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/random.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/dry_run.hpp>
#include <pdroute/router/detail/filtered_route.hpp>
#include <pdroute/router/detail/leg_filter.hpp>
#include <pdroute/router/detail/read_once_clock.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/detail/ticket_counter.hpp>
#include <pdroute/router/explanation.hpp>
#include <pdroute/router/filter.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Takes the steps of `Dispatcher::choose_both`. Returns why there is no route, if there is none.
template <class Endpoint, class First, class Second, class Request, class Facts>
[[nodiscard]] std::optional<NoEndpoint> dry_run_both(First& first, Second& second, const Request& request,
                                                     Facts& facts) {
  if (first.empty()) return first.no_endpoint();
  if (second.empty()) return second.no_endpoint();
  if (!first.choose(request, facts)) return detail::reason_without_first(first, second, request, LegFilter<Endpoint>{});
  facts.first_size = &first.size();
  if (!second.choose(request, facts)) return second.no_endpoint();
  return std::nullopt;
}

template <class First, class Second, class Request, class Facts, class Endpoint>
[[nodiscard]] std::optional<NoEndpoint> dry_run_route(First& first, Second& second, const Request& request,
                                                      Facts& facts, const RouteFilter<Endpoint>& filter) {
  const std::optional<NoEndpoint> refusal =
      filter.empty() ? detail::dry_run_both<Endpoint>(first, second, request, facts)
                     : detail::choose_filtered(first, second, request, facts, filter).refusal;
  if (refusal) {
    facts.first_size = nullptr;
    first.conclude_refused(*refusal, request, facts, LegFilter<Endpoint>{filter, First::role});
    facts.first_size = &first.size();
    second.conclude_refused(*refusal, request, facts, LegFilter<Endpoint>{filter, Second::role});
  }
  return refusal;
}

/// What a dispatcher would choose next, if nothing else happens. `generator` and the dry runs are copies of what the
/// dispatcher has; turns are seen and not taken.
template <class Core, class Prefill, class Decode, class Request, class Endpoint>
[[nodiscard]] Explanation<Endpoint> explain(Core& core, SplitMix64 generator, Prefill prefill, Decode decode,
                                            const Request& request, const RouteFilter<Endpoint>& filter) {
  CallFacts facts{.clock = ReadOnceClock{core.clock},
                  .tickets = TicketCounter::Draw::foreseen(core.tickets),
                  .generator = &generator,
                  .generation = prefill.generation() + decode.generation()};
  Explanation<Endpoint> explanation;
  explanation.refusal = core.first == Role::prefill ? detail::dry_run_route(prefill, decode, request, facts, filter)
                                                    : detail::dry_run_route(decode, prefill, request, facts, filter);
  explanation.prefill = prefill.explained();
  explanation.decode = decode.explained();
  return explanation;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
