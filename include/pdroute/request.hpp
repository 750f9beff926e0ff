// SPDX-License-Identifier: Apache-2.0
// Request: what a policy may read about a request.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/key.hpp>
#include <pdroute/role.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// The facts of a request that a policy may read. A gateway with policies that read more facts passes a type of its
/// own: `route` takes any class and passes it on to the policies unchanged.
///
/// In a role that counts tokens, a lease holds the `Demand` that `request.demand(endpoint, role)` returns for the
/// chosen endpoint. For a type without a member `demand`, the lease holds `prompt_tokens`, an unsigned integer, both as
/// tokens and as KV tokens. A signed one does not compile, because -1 for "unknown" would count as 2^64 - 1.
struct Request {
  std::uint64_t prompt_tokens = 0;  ///< tokens in the prompt
  std::optional<Key> key = {};      ///< equal for requests that should go to the same endpoint; none if absent
  std::optional<Key> group = {};    ///< equal for sessions that should begin together; see `SessionAffinityPolicy`
};

/// A type that can describe a request: `Request`, or any class of the caller's.
template <class R>
concept RequestType = std::is_class_v<R>;

namespace detail {

/// The request's `key`; none if its type has no such member, or if the member is empty.
template <class Request>
[[nodiscard]] constexpr std::optional<Key> key_of(const Request& request) {
  if constexpr (requires { std::optional<Key>{request.key}; }) {
    return request.key;
  } else {
    static_assert(
        !requires { request.key; },
        "pdroute: a request's `key` must be a pdroute::Key or a std::optional<pdroute::Key>");
    return std::nullopt;
  }
}

/// The request's `group`; none if its type has no such member, or if the member is empty.
template <class Request>
[[nodiscard]] constexpr std::optional<Key> group_of(const Request& request) {
  if constexpr (requires { std::optional<Key>{request.group}; }) {
    return request.group;
  } else {
    static_assert(
        !requires { request.group; },
        "pdroute: a request's `group` must be a pdroute::Key or a std::optional<pdroute::Key>");
    return std::nullopt;
  }
}

/// What a lease of this request holds on this endpoint in this role; see `Request`.
template <class Request, class Endpoint>
[[nodiscard]] Demand demand_of(const Request& request, const Endpoint& endpoint, Role role) {
  if constexpr (requires { Demand{request.demand(endpoint, role)}; }) {
    return request.demand(endpoint, role);
  } else {
    constexpr bool has_other_demand = requires { &Request::demand; };
    static_assert(!has_other_demand,
                  "pdroute: a request's `demand` must be callable as `Demand demand(const Endpoint&, Role) const`");
    constexpr bool has_prompt_tokens = requires { static_cast<std::uint64_t>(request.prompt_tokens); };
    static_assert(
        has_prompt_tokens,
        "pdroute: this role counts tokens, so a request needs `Demand demand(const Endpoint&, Role) const` or "
        "a member `prompt_tokens`");
    if constexpr (has_prompt_tokens) {
      static_assert(!std::is_signed_v<std::remove_cvref_t<decltype(request.prompt_tokens)>>,
                    "pdroute: a request's `prompt_tokens` must be an unsigned integer: -1 would count as 2^64 - 1");
      const auto tokens = static_cast<std::uint64_t>(request.prompt_tokens);
      return {.tokens = tokens, .kv_tokens = tokens};
    } else {
      return {};
    }
  }
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
