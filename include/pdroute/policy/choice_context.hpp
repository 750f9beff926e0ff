// SPDX-License-Identifier: Apache-2.0
// Concepts for the context of a choice: what a policy's `select` may ask for beside candidates and request.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// A context that gives the time and unbiased draws from [0, n). Every policy may rely on it.
template <class C>
concept ChoiceContext = requires(C& context, std::uint32_t n) {
  context.now();
  { context.below(n) } -> std::convertible_to<std::uint32_t>;
};

/// A context that also numbers the choices and tells the legs of a route apart, as the router's and `LocalContext` do.
/// See `EndpointSelector` for what the members mean.
template <class C>
concept RotationContext = requires(C& context) {
  { context.turn() } -> std::same_as<std::uint32_t>;
  { context.origin() } -> std::same_as<std::uint32_t>;
  { context.first_size() } -> std::same_as<std::size_t>;
  { context.generation() } -> std::same_as<std::uint64_t>;
  { context.narrowed() } -> std::same_as<bool>;
} && ChoiceContext<C>;

}  // namespace v0
}  // namespace pdroute
