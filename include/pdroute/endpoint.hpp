// SPDX-License-Identifier: Apache-2.0
// How the library reads the caller's own endpoint type (`EndpointTraits`), and the states that the caller sets.
#pragma once

#include <concepts>
#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/key.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// The highest weight of an endpoint; the lowest is 0, for one that gets no new requests. With this maximum, weights
/// can express shares of 0.01 %, and the weights of 400,000 endpoints add up to less than 2^32.
inline constexpr std::uint32_t max_endpoint_weight = 10'000;

/// Whether an endpoint works, as the caller's health checks see it. A new endpoint is healthy until the caller says
/// otherwise.
enum class Health : std::uint8_t {
  healthy,    ///< works
  unhealthy,  ///< does not work; gets no new requests
};

/// Whether an endpoint takes new requests at present, as it says itself or as the caller decides. Independent of its
/// health. Each of these states can end; `drain` is final. A new endpoint is accepting until the caller says otherwise.
enum class Intake : std::uint8_t {
  accepting,   ///< takes new requests
  paused,      ///< gets no new requests for now
  bound_only,  ///< gets requests of sessions that are bound to it, and no others (the drain of nginx and HAProxy)
};

/// How to read an endpoint of the caller's type: the library's one customisation point. The default reads the member
/// `.id` and the optional members named below. For other types, specialise it:
///
///     template <>
///     struct pdroute::EndpointTraits<Engine> {
///       static std::string_view id(const Engine& engine) { return engine.name(); }
///       static std::string_view incarnation(const Engine& engine) { return engine.pod_uid(); }          // optional
///       static std::string_view instance(const Engine& engine) { return engine.node(); }                // optional
///       static pdroute::Capacity capacity(const Engine& engine, pdroute::Role role) { return {...}; }  // optional
///       static pdroute::Capacity engine_capacity(const Engine& engine) { return {...}; }                 // optional
///       static std::uint32_t weight(const Engine& engine, pdroute::Role role) { return engine.gpus(); }  // optional
///       static pdroute::Health health(const Engine& engine, pdroute::Role role) { return ...; }          // optional
///       static pdroute::Intake intake(const Engine& engine, pdroute::Role role) { return ...; }          // optional
///     };
///
/// - `id` names an endpoint and is unique within a role.
/// - `incarnation` distinguishes two lives of the same id, such as by a pod's UID or a start time. It is optional. With
///   it, the same key means the same life, also if the endpoint was missing from a list for a while. Without it, an
///   endpoint is the same life as long as each list names it.
/// - `instance` names the engine that the endpoint belongs to, for endpoints that are ranks of one engine. It is
///   optional; without it the id does. The endpoints of an engine, in one role or in both, have some states together: a
///   request that found an engine unreachable is not sent to any of them again if it excludes the failed one; failures
///   in a row add up for outlier detection; and the router's functions without a role set the health and the intake of
///   the whole engine, or drain it.
/// - `capacity` gives the limits of the endpoint in one role. It is optional; without it there are no limits.
/// - `engine_capacity` gives the limits of its whole engine, in all its endpoints and both roles together; of several
///   endpoints, the one named last counts. It is optional; only roles that count `EngineLoad` accept it.
/// - `weight` says how much the endpoint can take compared with the others of its role: an integer from 0 to
///   `max_endpoint_weight`. It is optional; without it the weight is 1. Zero means: no new requests. Only roles with a
///   policy that reads weights, such as `WeightedRoundRobinPolicy`, read it.
/// - `health` and `intake` are the state in which the endpoint joins a role, such as unhealthy until its first check.
///   They are optional; without them it joins healthy and accepting. They are read for new lives only; later the states
///   are as `set_health` and `set_intake` leave them.
///
/// Capacities and weight are read each time a list names the endpoint, and a change takes effect at once. If the type
/// has an operator==, equal endpoints are not copied again.
///
/// Id and incarnation are integers or text (anything convertible to std::string_view). The text must live in the
/// endpoint, and neither may change while the router holds its copy of the endpoint.
template <class Endpoint>
struct EndpointTraits {
  using ReadsMembers = void;  ///< marks the default, which a specialisation does not have

  /// The member `.id`: text by reference, an integer by value.
  static constexpr decltype(auto) id(const Endpoint& endpoint) noexcept
    requires requires { endpoint.id; }
  {
    if constexpr (std::integral<decltype(endpoint.id)>) {
      return decltype(endpoint.id){endpoint.id};
    } else {
      return (endpoint.id);
    }
  }
  /// The member `.incarnation`: text by reference, an integer by value.
  static constexpr decltype(auto) incarnation(const Endpoint& endpoint) noexcept
    requires requires { endpoint.incarnation; }
  {
    if constexpr (std::integral<decltype(endpoint.incarnation)>) {
      return decltype(endpoint.incarnation){endpoint.incarnation};
    } else {
      return (endpoint.incarnation);
    }
  }
  /// The member `.capacity`, the same in both roles.
  static constexpr Capacity capacity(const Endpoint& endpoint, Role /*role*/) noexcept
    requires requires {
      { endpoint.capacity } -> std::convertible_to<const Capacity&>;
    }
  {
    return endpoint.capacity;
  }
  /// The member `.engine_capacity`.
  static constexpr Capacity engine_capacity(const Endpoint& endpoint) noexcept
    requires requires {
      { endpoint.engine_capacity } -> std::convertible_to<const Capacity&>;
    }
  {
    return endpoint.engine_capacity;
  }
  /// The member `.weight`, the same in both roles.
  static constexpr auto weight(const Endpoint& endpoint, Role /*role*/) noexcept
    requires requires { requires std::integral<std::remove_cvref_t<decltype(endpoint.weight)>>; }
  {
    return std::remove_cvref_t<decltype(endpoint.weight)>{endpoint.weight};
  }
  /// The member `.instance`: text by reference, an integer by value.
  static constexpr decltype(auto) instance(const Endpoint& endpoint) noexcept
    requires requires { endpoint.instance; }
  {
    if constexpr (std::integral<decltype(endpoint.instance)>) {
      return decltype(endpoint.instance){endpoint.instance};
    } else {
      return (endpoint.instance);
    }
  }
  /// The member `.health`, the same in both roles.
  static constexpr Health health(const Endpoint& endpoint, Role /*role*/) noexcept
    requires requires { requires std::same_as<std::remove_cvref_t<decltype(endpoint.health)>, Health>; }
  {
    return endpoint.health;
  }
  /// The member `.intake`, the same in both roles.
  static constexpr Intake intake(const Endpoint& endpoint, Role /*role*/) noexcept
    requires requires { requires std::same_as<std::remove_cvref_t<decltype(endpoint.intake)>, Intake>; }
  {
    return endpoint.intake;
  }
};

namespace detail {

/// Text: a type that converts to std::string_view.
template <class T>
concept StringLike = std::convertible_to<const T&, std::string_view>;
/// A type that can be an id or an incarnation key.
template <class T>
concept IdType = StringLike<T> || std::integral<T>;

/// The return type of a function that reads an id: an integer, or text that lives in the endpoint. A std::string
/// returned by value is excluded, because it is destroyed before its view can be compared.
template <class T>
concept LastingKey = std::integral<std::remove_cvref_t<T>> ||
                     (StringLike<std::remove_cvref_t<T>> &&
                      (std::is_lvalue_reference_v<T> || std::same_as<T, std::string_view> || std::is_pointer_v<T>));

/// Any integer type except bool.
template <class T>
concept WeightType = std::integral<T> && !std::same_as<T, bool>;

template <class T>
using KeyView = std::conditional_t<StringLike<T>, std::string_view, T>;  // cheap, points into the endpoint
template <class T>
using KeyValue = std::conditional_t<StringLike<T>, std::string, T>;  // owns

}  // namespace detail

/// A type that can be an endpoint: copyable, with an id that is an integer or text that lives in the endpoint (see
/// `EndpointTraits`).
template <class E>
concept EndpointType =
    std::same_as<E, std::remove_cvref_t<E>> && std::copy_constructible<E> && requires(const E& endpoint) {
      { EndpointTraits<E>::id(endpoint) } -> detail::LastingKey;
    };

/// The id of an endpoint as a cheap view (`std::string_view`, or the integer), valid as long as the endpoint.
template <EndpointType E>
using EndpointIdView = detail::KeyView<std::remove_cvref_t<decltype(EndpointTraits<E>::id(std::declval<const E&>()))>>;

/// The id of an endpoint as a value of its own (`std::string`, or the integer).
template <EndpointType E>
using EndpointId = detail::KeyValue<std::remove_cvref_t<decltype(EndpointTraits<E>::id(std::declval<const E&>()))>>;

namespace detail {

/// Whether the endpoint's type names the instance that an endpoint belongs to.
template <class E>
concept HasInstance = requires(const E& endpoint) { EndpointTraits<E>::instance(endpoint); };
template <EndpointType E>
struct InstanceViewOf {
  using Type = EndpointIdView<E>;
};
template <EndpointType E>
  requires HasInstance<E>
struct InstanceViewOf<E> {
  using Type = KeyView<std::remove_cvref_t<decltype(EndpointTraits<E>::instance(std::declval<const E&>()))>>;
};

}  // namespace detail

/// What names the engine of an endpoint, as a cheap view: its instance, or its id if its type has no instance.
template <EndpointType E>
using EndpointInstanceView = typename detail::InstanceViewOf<E>::Type;

/// The id of an endpoint, read by `EndpointTraits`.
template <EndpointType E>
[[nodiscard]] EndpointIdView<E> endpoint_id(const E& endpoint) noexcept {
  return EndpointTraits<E>::id(endpoint);
}

namespace detail {

/// An id as text, for messages. Allocates.
template <EndpointType E>
[[nodiscard]] std::string id_text(EndpointIdView<E> id) {
  if constexpr (StringLike<EndpointIdView<E>>) {
    return std::string(id);
  } else {
    return std::to_string(id);
  }
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
