// SPDX-License-Identifier: Apache-2.0
// Concepts for the context of a choice: the third argument of a policy's `select`, after candidates and request.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// A context that gives the time, `now()`, and unbiased draws from [0, n), `below(n)`. Every policy may rely on it.
template <class C>
concept ChoiceContext = requires(C& context, std::uint32_t n) {
  context.now();
  { context.below(n) } -> std::convertible_to<std::uint32_t>;
};

/// A context that also numbers the choices and tells the two legs of a route apart. The router's context and
/// `LocalContext` are models. `EndpointSelector` says what the members mean.
template <class C>
concept RotationContext = requires(C& context) {
  { context.turn() } -> std::same_as<std::uint64_t>;
  { context.origin() } -> std::same_as<std::uint64_t>;
  { context.first_size() } -> std::same_as<std::size_t>;
  { context.generation() } -> std::same_as<std::uint64_t>;
  { context.narrowed() } -> std::same_as<bool>;
} && ChoiceContext<C>;

}  // namespace v0
}  // namespace pdroute
