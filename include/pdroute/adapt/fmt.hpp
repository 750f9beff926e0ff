// SPDX-License-Identifier: Apache-2.0
// Opt-in: makes the library's answers and reports printable by {fmt} (version 9 or later).
// Include it where you print, and link {fmt} yourself.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/detail/lease_table.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/lease.hpp>
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
  static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
};

/// Writes the parts of a list, with a comma before each but the first.
class FormattedList {
 public:
  explicit FormattedList(fmt::format_context& context) : out_(context.out()) {}

  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    if (!empty_) out_ = fmt::format_to(out_, ", ");
    out_ = fmt::format_to(out_, text, std::forward<Args>(args)...);
    empty_ = false;
  }
  /// Returns where the list ends, after `nothing` if it is empty.
  auto end(std::string_view nothing) { return empty_ ? fmt::format_to(out_, "{}", nothing) : out_; }

 private:
  fmt::format_context::iterator out_;
  bool empty_ = true;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute

/// "prefill"
template <>
struct fmt::formatter<pdroute::Role> : pdroute::detail::PlainFormatter {
  static auto format(pdroute::Role role, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(role));
  }
};

/// "no decode endpoint: 2 unhealthy, 1 full of 3", leaving out what is zero
template <>
struct fmt::formatter<pdroute::NoEndpoint> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::NoEndpoint& reason, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", reason.text());
  }
};

/// "an id must be unique within its role: d0"
template <>
struct fmt::formatter<pdroute::ConfigError> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::ConfigError& error, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", error.text());
  }
};

/// The endpoint's id, or "(ended)"
template <class Slot>
struct fmt::formatter<pdroute::Lease<Slot>> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::Lease<Slot>& lease, fmt::format_context& context) {
    return lease ? fmt::format_to(context.out(), "{}", lease.id()) : fmt::format_to(context.out(), "(ended)");
  }
};

/// "p0 -> d1"
template <class PrefillLease, class DecodeLease>
struct fmt::formatter<pdroute::Route<PrefillLease, DecodeLease>> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::Route<PrefillLease, DecodeLease>& route, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{} -> {}", route.prefill, route.decode);
  }
};

/// "p0#3 healthy, accepting, 7 in flight"; with limits "7 of 8 in flight, 8500 of 8000 KV tokens, over capacity"
template <class Endpoint>
struct fmt::formatter<pdroute::EndpointStatus<Endpoint>> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::EndpointStatus<Endpoint>& status, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    list.add("{}#{} {}", status.id, status.incarnation,
             status.health == pdroute::Health::healthy ? "healthy" : "unhealthy");
    list.add("{}", status.draining ? "draining" : status.intake == pdroute::Intake::accepting ? "accepting" : "paused");
    if (status.ejection != pdroute::EjectionPhase::none) list.add("{}", to_string(status.ejection));
    if (const auto limit = status.capacity.requests) {
      list.add("{} of {} in flight", status.in_flight, *limit);
    } else {
      list.add("{} in flight", status.in_flight);
    }
    pdroute::LimitedQuantities::each([&]<const pdroute::LimitedQuantity & quantity>() {
      const auto limit = status.capacity.*quantity.limit;
      if (limit) list.add("{} of {} {}", (status.*quantity.held).value_or(0), *limit, quantity.unit);
    });
    if (status.over_capacity()) list.add("over capacity");
    return list.end("");
  }
};

/// "8 requests, 8000 KV tokens", or "no limits"
template <>
struct fmt::formatter<pdroute::Capacity> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::Capacity& capacity, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    if (capacity.requests) list.add("{} requests", *capacity.requests);
    pdroute::LimitedQuantities::each([&]<const pdroute::LimitedQuantity & quantity>() {
      if (const auto limit = capacity.*quantity.limit) list.add("{} {}", *limit, quantity.unit);
    });
    return list.end("no limits");
  }
};

/// "timed_out"
template <>
struct fmt::formatter<pdroute::FailureKind> : pdroute::detail::PlainFormatter {
  static auto format(pdroute::FailureKind kind, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(kind));
  }
};

/// "12 completed, 1 timed_out", leaving out what is zero; or "none ended"
template <>
struct fmt::formatter<pdroute::Outcomes> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::Outcomes& outcomes, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    outcomes.each([&](std::string_view outcome, std::uint64_t count) {
      if (count > 0) list.add("{} {}", count, outcome);
    });
    return list.end("none ended");
  }
};

/// "5 refused, unhealthy in 3, full in 4", leaving out what is zero; a request can have several reasons
template <>
struct fmt::formatter<pdroute::Refusals> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::Refusals& refusals, fmt::format_context& context) {
    pdroute::detail::FormattedList list(context);
    list.add("{} refused", refusals.requests);
    refusals.each_reason([&](std::string_view reason, std::uint64_t requests) {
      if (requests > 0) list.add("{} in {}", reason, requests);
    });
    return list.end("");
  }
};

/// "decode#7"
template <>
struct fmt::formatter<pdroute::EndpointKey> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::EndpointKey& key, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}#{}", key.role, key.incarnation);
  }
};

/// The number
template <>
struct fmt::formatter<pdroute::LeaseId> : pdroute::detail::PlainFormatter {
  static auto format(pdroute::LeaseId token, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", static_cast<std::uint64_t>(token));
  }
};

/// "used token: its lease has been adopted"
template <>
struct fmt::formatter<pdroute::LeaseIdError> : pdroute::detail::PlainFormatter {
  static auto format(pdroute::LeaseIdError error, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(error));
  }
};

/// "done", "no such endpoint", "already there", "last of its role"
template <>
struct fmt::formatter<pdroute::RoleChange> : pdroute::detail::PlainFormatter {
  static auto format(pdroute::RoleChange change, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", to_string(change));
  }
};

/// "full", "tokens 812, in_flight 3", or nothing to say
template <class Endpoint>
struct fmt::formatter<pdroute::ExplainedEndpoint<Endpoint>> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::ExplainedEndpoint<Endpoint>& endpoint, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", endpoint.text());
  }
};

/// Several lines, see `ExplainedRole::text`
template <class Endpoint>
struct fmt::formatter<pdroute::ExplainedRole<Endpoint>> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::ExplainedRole<Endpoint>& role, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", role.text());
  }
};

/// Both roles
template <class Endpoint>
struct fmt::formatter<pdroute::Explanation<Endpoint>> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::Explanation<Endpoint>& explanation, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}", explanation.text());
  }
};
