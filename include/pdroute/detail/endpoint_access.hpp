// SPDX-License-Identifier: Apache-2.0
// Reads a caller's endpoint by EndpointTraits: incarnation key, capacity, weight, and a hash of the id.
#pragma once

#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/key.hpp>
#include <pdroute/role.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Whether two endpoints with the same id are the same life of it. Without an incarnation key, they always are.
template <EndpointType E>
[[nodiscard]] bool same_incarnation(const E& a, const E& b) noexcept {
  if constexpr (requires { EndpointTraits<E>::incarnation(a); }) {
    using Read = std::remove_cvref_t<decltype(EndpointTraits<E>::incarnation(a))>;
    static_assert(IdType<Read>, "pdroute: an incarnation key must be an integer or text");
    using View = KeyView<Read>;
    return View{EndpointTraits<E>::incarnation(a)} == View{EndpointTraits<E>::incarnation(b)};
  } else {
    return true;
  }
}

/// The endpoint's limits; none if its type gives none.
template <EndpointType E>
[[nodiscard]] Capacity capacity_of(const E& endpoint, Role role) {
  if constexpr (requires { Capacity{EndpointTraits<E>::capacity(endpoint, role)}; }) {
    return EndpointTraits<E>::capacity(endpoint, role);
  } else {
    // A limit that is written in a form that the library does not read is an error and not ignored.
    constexpr bool by_members = requires { typename EndpointTraits<E>::ReadsMembers; };
    constexpr bool meant =
        requires { endpoint.capacity; } || (!by_members && requires { &EndpointTraits<E>::capacity; });
    static_assert(
        !meant,
        "pdroute: limits are read by `static Capacity capacity(const E&, Role)` of EndpointTraits<E>, or from a "
        "member `.capacity` of type pdroute::Capacity if EndpointTraits is not specialised");
    return {};
  }
}

/// The endpoint's weight as it is given, widened to 64 bits; 1 if its type gives none. It may be out of range.
template <EndpointType E>
[[nodiscard]] auto endpoint_weight(const E& endpoint, Role role) {
  if constexpr (requires {
                  { EndpointTraits<E>::weight(endpoint, role) } -> WeightType;
                }) {
    using Given = decltype(EndpointTraits<E>::weight(endpoint, role));
    using Wide = std::conditional_t<std::is_signed_v<Given>, std::int64_t, std::uint64_t>;
    return static_cast<Wide>(EndpointTraits<E>::weight(endpoint, role));
  } else {
    // A weight that is written in a form that the library does not read is an error and not ignored.
    constexpr bool by_members = requires { typename EndpointTraits<E>::ReadsMembers; };
    constexpr bool meant = requires { endpoint.weight; } || requires { endpoint.weight(); } ||
                           (!by_members && requires { &EndpointTraits<E>::weight; });
    static_assert(!meant,
                  "pdroute: weights are integers, read by `static std::uint32_t weight(const E&, Role)` of "
                  "EndpointTraits<E>, or from an integral member `.weight` if EndpointTraits is not specialised");
    return std::uint64_t{1};
  }
}

/// A hash of the id, equal for equal ids on every platform.
template <EndpointType E>
[[nodiscard]] std::uint64_t id_hash(EndpointIdView<E> id) noexcept {
  if constexpr (StringLike<EndpointIdView<E>>) {
    return static_cast<std::uint64_t>(pdroute::key(id));
  } else {
    return static_cast<std::uint64_t>(pdroute::key(static_cast<std::uint64_t>(id)));
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
