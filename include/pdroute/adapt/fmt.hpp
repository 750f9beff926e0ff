// SPDX-License-Identifier: Apache-2.0
// Opt-in: makes reasons, errors, routes, leases and endpoints printable by {fmt} (version 9 or later).
// Include it where you print, and link {fmt} yourself.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/route.hpp>
#include <string_view>

namespace pdroute::inline v0::detail {

/// A formatter that takes no format specification.
struct PlainFormatter {
  static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
};

}  // namespace pdroute::inline v0::detail

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
    return fmt::format_to(context.out(), "{}: {}", error.text(), error.value);
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

/// "p0#3 healthy, accepting, 7 in flight"
template <class Endpoint>
struct fmt::formatter<pdroute::EndpointStatus<Endpoint>> : pdroute::detail::PlainFormatter {
  static auto format(const pdroute::EndpointStatus<Endpoint>& status, fmt::format_context& context) {
    return fmt::format_to(context.out(), "{}#{} {}, {}, {} in flight", status.id, status.incarnation,
                          status.health == pdroute::Health::healthy ? "healthy" : "unhealthy",
                          status.draining                               ? "draining"
                          : status.intake == pdroute::Intake::accepting ? "accepting"
                                                                        : "paused",
                          status.in_flight);
  }
};
