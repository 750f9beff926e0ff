// SPDX-License-Identifier: Apache-2.0
// Reads a caller's endpoint by EndpointTraits: incarnation key, capacity, weight, and a hash of the id.
#pragma once

#include <concepts>
#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/key.hpp>
#include <pdroute/role.hpp>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Whether the endpoint's type has an incarnation key.
template <class E>
concept HasIncarnationKey = requires(const E& endpoint) { EndpointTraits<E>::incarnation(endpoint); };

/// What stands for the key of a type without one: all are equal.
struct NoKey {
  friend bool operator==(NoKey, NoKey) = default;
};
template <class E>
struct LifeKeyOf {
  using Type = NoKey;
};
template <HasIncarnationKey E>
struct LifeKeyOf<E> {
  using Read = std::remove_cvref_t<decltype(EndpointTraits<E>::incarnation(std::declval<const E&>()))>;
  static_assert(IdType<Read>, "pdroute: an incarnation key must be an integer or text");
  using Type = KeyValue<Read>;
};
/// The incarnation key of an endpoint, as a value of its own.
template <EndpointType E>
using LifeKey = typename LifeKeyOf<E>::Type;

template <EndpointType E>
[[nodiscard]] LifeKey<E> life_key(const E& endpoint) {
  if constexpr (HasIncarnationKey<E>) {
    return LifeKey<E>(EndpointTraits<E>::incarnation(endpoint));
  } else {
    return {};
  }
}

/// The state in which the endpoint joins.
template <EndpointType E>
[[nodiscard]] Health first_health(const E& endpoint, Role role) {
  if constexpr (requires { Health{EndpointTraits<E>::health(endpoint, role)}; }) {
    return EndpointTraits<E>::health(endpoint, role);
  } else {
    return Health::healthy;
  }
}
template <EndpointType E>
[[nodiscard]] Intake first_intake(const E& endpoint, Role role) {
  if constexpr (requires { Intake{EndpointTraits<E>::intake(endpoint, role)}; }) {
    return EndpointTraits<E>::intake(endpoint, role);
  } else {
    return Intake::accepting;
  }
}

/// Whether it can be known if two endpoints are described alike.
template <class E>
inline constexpr bool comparable = requires(const E& a, const E& b) {
  { a == b } -> std::convertible_to<bool>;
};

/// Whether a second entry for the same id may say the same as the first, as far as can be known.
template <EndpointType E>
[[nodiscard]] bool repeats([[maybe_unused]] const E& a, [[maybe_unused]] const E& b) {
  if constexpr (comparable<E>) {
    return a == b;
  } else {
    return HasIncarnationKey<E>;  // the key says that both are one life
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

/// The limits of the endpoint's engine; none if its type gives none.
template <EndpointType E>
[[nodiscard]] Capacity engine_capacity_of(const E& endpoint) {
  if constexpr (requires { Capacity{EndpointTraits<E>::engine_capacity(endpoint)}; }) {
    return EndpointTraits<E>::engine_capacity(endpoint);
  } else {
    constexpr bool by_members = requires { typename EndpointTraits<E>::ReadsMembers; };
    constexpr bool meant =
        requires { endpoint.engine_capacity; } || (!by_members && requires { &EndpointTraits<E>::engine_capacity; });
    static_assert(
        !meant,
        "pdroute: an engine's limits are read by `static Capacity engine_capacity(const E&)` of "
        "EndpointTraits<E>, or from a member `.engine_capacity` of type pdroute::Capacity if EndpointTraits is "
        "not specialised");
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

/// A hash of an id or of an instance, equal for equal ones on every platform.
template <class View>
[[nodiscard]] std::uint64_t view_hash(View view) noexcept {
  if constexpr (StringLike<View>) {
    return static_cast<std::uint64_t>(pdroute::key(view));
  } else {
    return static_cast<std::uint64_t>(pdroute::key(static_cast<std::uint64_t>(view)));
  }
}

/// A hash of the instance that the endpoint belongs to, or of its id if its type names no instance.
template <EndpointType E>
[[nodiscard]] std::uint64_t engine_hash(const E& endpoint) {
  if constexpr (HasInstance<E>) {
    using Read = std::remove_cvref_t<decltype(EndpointTraits<E>::instance(endpoint))>;
    static_assert(IdType<Read>, "pdroute: an instance must be an integer or text");
    return detail::view_hash<EndpointInstanceView<E>>(EndpointTraits<E>::instance(endpoint));
  } else {
    return detail::view_hash(pdroute::endpoint_id(endpoint));
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
