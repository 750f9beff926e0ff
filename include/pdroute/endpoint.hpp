// SPDX-License-Identifier: Apache-2.0
// How the library reads the caller's own endpoint type: the one customisation point, and the states a caller sets.
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

/// The highest weight of an endpoint; the lowest is 1. Shares of 0.01 % can be told apart, and the weights of 400,000
/// endpoints add up to less than 2^32.
inline constexpr std::uint32_t max_endpoint_weight = 10'000;

/// Says how to read an endpoint of the caller's type. The default reads the member `.id`, and `.incarnation` where
/// there is one. For other types, specialise it:
///
///     template <>
///     struct pdroute::EndpointTraits<Engine> {
///       static std::string_view id(const Engine& engine) { return engine.name(); }
///       static std::string_view incarnation(const Engine& engine) { return engine.pod_uid(); }          // optional
///       static pdroute::Capacity capacity(const Engine& engine, pdroute::Role role) { return {...}; }  // optional
///       static std::uint32_t weight(const Engine& engine, pdroute::Role role) { return engine.gpus(); }  // optional
///     };
///
/// An id names an endpoint and is unique within a role; an incarnation tells two lives of the same id apart (a pod's
/// UID, a start time). Both are strings (anything convertible to std::string_view) or integers, and must not change
/// while the router holds its copy of the endpoint. The capacity is read when the endpoint is added; without one, or
/// by default without a member `.capacity`, there are no limits.
///
/// The weight says how much an endpoint can take compared with the others of its role: an integer from 1 to
/// `max_endpoint_weight`, by default the member `.weight`, and 1 where there is none. It is read when the endpoint
/// is added to a role whose policy weighs, such as `WeightedRoundRobinPolicy`; other roles do not look at it. As long
/// as a member is kept, so is its weight: a new one comes with a new incarnation key.
template <class Endpoint>
struct EndpointTraits {
  using ReadsMembers = void;  ///< tells this from a specialisation

  static constexpr decltype(auto) id(const Endpoint& endpoint) noexcept
    requires requires { endpoint.id; }
  {
    if constexpr (std::integral<decltype(endpoint.id)>) {
      return decltype(endpoint.id){endpoint.id};
    } else {
      return (endpoint.id);
    }
  }
  static constexpr decltype(auto) incarnation(const Endpoint& endpoint) noexcept
    requires requires { endpoint.incarnation; }
  {
    if constexpr (std::integral<decltype(endpoint.incarnation)>) {
      return decltype(endpoint.incarnation){endpoint.incarnation};
    } else {
      return (endpoint.incarnation);
    }
  }
  static constexpr Capacity capacity(const Endpoint& endpoint, Role /*role*/) noexcept
    requires requires {
      { endpoint.capacity } -> std::convertible_to<const Capacity&>;
    }
  {
    return endpoint.capacity;
  }
  static constexpr auto weight(const Endpoint& endpoint, Role /*role*/) noexcept
    requires requires { requires std::integral<std::remove_cvref_t<decltype(endpoint.weight)>>; }
  {
    return std::remove_cvref_t<decltype(endpoint.weight)>{endpoint.weight};
  }
};

namespace detail {

template <class T>
concept StringLike = std::convertible_to<const T&, std::string_view>;
template <class T>
concept IdType = StringLike<T> || std::integral<T>;

/// What an id may be read as: an integer, or text that lives in the endpoint. A std::string returned by value would be
/// gone before anyone could compare it.
template <class T>
concept LastingKey = std::integral<std::remove_cvref_t<T>> ||
                     (StringLike<std::remove_cvref_t<T>> &&
                      (std::is_lvalue_reference_v<T> || std::same_as<T, std::string_view> || std::is_pointer_v<T>));

/// Any integer that can be a weight; a truth value is none.
template <class T>
concept WeightType = std::integral<T> && !std::same_as<T, bool>;

template <class T>
using KeyView = std::conditional_t<StringLike<T>, std::string_view, T>;  // cheap, points into the endpoint
template <class T>
using KeyValue = std::conditional_t<StringLike<T>, std::string, T>;  // owns

}  // namespace detail

/// A type that can be an endpoint: copyable, with an id that is an integer or text living in the endpoint (see
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

template <EndpointType E>
[[nodiscard]] EndpointIdView<E> endpoint_id(const E& endpoint) noexcept {
  return EndpointTraits<E>::id(endpoint);
}

namespace detail {

template <EndpointType E>
[[nodiscard]] std::string id_text(EndpointIdView<E> id) {
  if constexpr (StringLike<EndpointIdView<E>>) {
    return std::string(id);
  } else {
    return std::to_string(id);
  }
}

}  // namespace detail

/// Whether an endpoint works, as the caller's health checks see it.
enum class Health : std::uint8_t { healthy, unhealthy };

/// Whether an endpoint wants new requests at present, as it says itself or as the caller decides. Not a matter of
/// health, and not final as draining is.
enum class Intake : std::uint8_t { accepting, paused };

}  // namespace v0
}  // namespace pdroute
