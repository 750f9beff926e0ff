// SPDX-License-Identifier: Apache-2.0
// Opt-in: formatters that print the library's results and reports by {fmt} (version 9 or later).
// Include this header where you print, and link {fmt} yourself. It prints Role, NoEndpoint, ConfigError, Lease, Route,
// EndpointStatus, Capacity, FailureKind, Outcomes, Refusals, EndpointKey, LeaseId, LeaseIdError, RoleChange,
// ExplainedEndpoint, ExplainedRole and Explanation.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/pool/lease_id.hpp>
#include <pdroute/pool/role_change.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/explanation.hpp>
#include <pdroute/router/refusals.hpp>
#include <pdroute/router/route.hpp>
#include <string_view>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A formatter that takes no format specification.
struct PlainFormatter {
  /// Accepts the empty format specification.
  static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
};

/// Writes the parts of a list, separated by commas.
class FormattedList {
 public:
  /// An empty list that is written to the context's output.
  explicit FormattedList(fmt::format_context& context) : out_(context.out()) {}

  /// Adds a part.
  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    if (!empty_) out_ = fmt::format_to(out_, ", ");
    out_ = fmt::format_to(out_, text, std::forward<Args>(args)...);
    empty_ = false;
  }
  /// Ends the list. Writes `nothing` if it is empty. Returns the end of the output.
  auto end(std::string_view nothing) { return empty_ ? fmt::format_to(out_, "{}", nothing) : out_; }

 private:
  fmt::format_context::iterator out_;
  bool empty_ = true;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute

/// Prints a role as "prefill" or "decode".
template <>
struct fmt::formatter<pdroute::Role> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(pdroute::Role role, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(role));
  }
};

/// Prints the reasons for a refusal, such as "no decode endpoint: 2 unhealthy, 1 full of 3". Counts of zero are left
/// out.
template <>
struct fmt::formatter<pdroute::NoEndpoint> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::NoEndpoint& reason, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", reason.text());
  }
};

/// Prints the rule and the value, such as "an id must be unique within its role: d0".
template <>
struct fmt::formatter<pdroute::ConfigError> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::ConfigError& error, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", error.text());
  }
};

/// Prints the id of a lease's endpoint, or "(ended)".
template <class Slot>
struct fmt::formatter<pdroute::Lease<Slot>> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::Lease<Slot>& lease, fmt::format_context& context) {
    return lease ? fmt::format_to(context.out(), "{}", lease.id()) : fmt::format_to(context.out(), "(ended)");
  }
};

/// Prints the two leases of a route, such as "p0 -> d1".
template <class PrefillLease, class DecodeLease>
struct fmt::formatter<pdroute::Route<PrefillLease, DecodeLease>> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::Route<PrefillLease, DecodeLease>& route, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{} -> {}", route.prefill, route.decode);
  }
};

/// Prints the state of an endpoint, such as "p0#3 healthy, accepting, 7 in flight". With limits, such as "7 of 8 in
/// flight, 8500 of 8000 KV tokens, over capacity".
template <class Endpoint>
struct fmt::formatter<pdroute::EndpointStatus<Endpoint>> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::EndpointStatus<Endpoint>& status, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    list.add("{}#{} {}", status.id, status.incarnation,
             status.health == pdroute::Health::healthy ? "healthy"
             : status.fail_open                        ? "unhealthy but spared"
                                                       : "unhealthy");
    list.add("{}", status.draining                                ? "draining"
                   : status.intake == pdroute::Intake::accepting  ? "accepting"
                   : status.intake == pdroute::Intake::bound_only ? "bound sessions only"
                                                                  : "paused");
    if (status.weight == 0) list.add("weight 0");
    if (status.ejection != pdroute::EjectionPhase::none) list.add("{}", to_string(status.ejection));
    if (status.admitted_share < 1) list.add("slow start {:.0f} %", 100 * status.admitted_share);
    if (const auto limit = status.capacity.requests) {
      list.add("{} of {} in flight", status.in_flight, *limit);
    } else {
      list.add("{} in flight", status.in_flight);
    }
    pdroute::LimitedQuantities::each([&]<pdroute::QuantityRef quantity>() {
      const auto limit = status.capacity.*quantity.limit;
      if (limit) list.add("{} of {} {}", (status.*quantity.held).value_or(0), *limit, quantity.unit);
    });
    if (status.over_capacity()) list.add("over capacity");
    return list.end("");
  }
};

/// Prints limits, such as "8 requests, 8000 KV tokens", or "no limits".
template <>
struct fmt::formatter<pdroute::Capacity> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::Capacity& capacity, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    if (capacity.requests) list.add("{} requests", *capacity.requests);
    pdroute::LimitedQuantities::each([&]<pdroute::QuantityRef quantity>() {
      if (const auto limit = capacity.*quantity.limit) list.add("{} {}", *limit, quantity.unit);
    });
    return list.end("no limits");
  }
};

/// Prints a kind of failure, such as "timed_out".
template <>
struct fmt::formatter<pdroute::FailureKind> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(pdroute::FailureKind kind, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(kind));
  }
};

/// Prints how leases ended, such as "12 completed, 1 timed_out", or "none ended". Counts of zero are left out.
template <>
struct fmt::formatter<pdroute::Outcomes> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::Outcomes& outcomes, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    outcomes.each([&](std::string_view outcome, std::uint64_t count) {
      if (count > 0) list.add("{} {}", count, outcome);
    });
    if (outcomes.abandoned > 0) list.add("{} of them abandoned", outcomes.abandoned);
    return list.end("none ended");
  }
};

/// Prints refusals by reason, such as "5 refused, unhealthy in 3, full in 4". A request can have several reasons.
/// Counts of zero are left out, except that of all requests.
template <>
struct fmt::formatter<pdroute::Refusals> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::Refusals& refusals, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    list.add("{} refused", refusals.requests);
    refusals.each_reason([&](std::string_view reason, std::uint64_t requests) {
      if (requests > 0) list.add("{} in {}", reason, requests);
    });
    return list.end("");
  }
};

/// Prints the role and the incarnation, such as "decode#7".
template <>
struct fmt::formatter<pdroute::EndpointKey> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::EndpointKey& key, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}#{}", key.role, key.incarnation);
  }
};

/// Prints a lease id as a number.
template <>
struct fmt::formatter<pdroute::LeaseId> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(pdroute::LeaseId id, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", static_cast<std::uint64_t>(id));
  }
};

/// Prints why a lease id has no lease, as `to_string` says it.
template <>
struct fmt::formatter<pdroute::LeaseIdError> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(pdroute::LeaseIdError error, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(error));
  }
};

/// Prints the result of a change of role, such as "done", "no such endpoint", "already there" or "last of its role".
template <>
struct fmt::formatter<pdroute::RoleChange> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(pdroute::RoleChange change, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(change));
  }
};

/// Prints what rules an endpoint out and what it costs, such as "full" or "tokens 812, in_flight 3". May be empty.
template <class Endpoint>
struct fmt::formatter<pdroute::ExplainedEndpoint<Endpoint>> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::ExplainedEndpoint<Endpoint>& endpoint, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", endpoint.text());
  }
};

/// Prints the explanation of one role in several lines, see `ExplainedRole::text`.
template <class Endpoint>
struct fmt::formatter<pdroute::ExplainedRole<Endpoint>> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::ExplainedRole<Endpoint>& role, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", role.text());
  }
};

/// Prints the explanation of both roles, see `Explanation::text`.
template <class Endpoint>
struct fmt::formatter<pdroute::Explanation<Endpoint>> : pdroute::detail::PlainFormatter {
  /// Writes the text to the context's output.
  static auto format(const pdroute::Explanation<Endpoint>& explanation, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", explanation.text());
  }
};
