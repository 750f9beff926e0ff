// SPDX-License-Identifier: Apache-2.0
// Concepts for lists of candidates: what a policy or a cost may read of each element.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <pdroute/role.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// Candidates: the eligible endpoints of one role, by index. Any type with `size()` and `[i]` qualifies, such as the
/// router's own snapshot or a `std::vector` of the caller's. What an element offers decides which policies can read it.
template <class C>
concept CandidateRange = requires(const C& candidates, std::size_t i) {
  { candidates.size() } -> std::convertible_to<std::size_t>;
  candidates[i];
};

/// Candidates with `in_flight()`: the number of requests that each has in flight now.
template <class C>
concept CountedCandidates = CandidateRange<C> && requires(const C& candidates, std::size_t i) {
  { candidates[i].in_flight() } -> std::convertible_to<std::uint64_t>;
};

/// Candidates with `arrivals(bucket)`: the number of requests that each was given within a window, as in `RequestRate`.
template <class C>
concept RatedCandidates = CandidateRange<C> && requires(const C& candidates, std::size_t i, std::int64_t bucket) {
  { candidates[i].arrivals(bucket) } -> std::unsigned_integral;
};

/// Candidates with `weight()`: the weight of each endpoint, as in `Identity`, an integer from 1 to
/// `max_endpoint_weight`. The router checks that range. In a list of the caller's own, an endpoint with weight 0 gets
/// no request, and a weight above the maximum counts as the maximum.
template <class C>
concept WeightedCandidates = CandidateRange<C> && requires(const C& candidates, std::size_t i) {
  { candidates[i].weight() } -> std::unsigned_integral;
};

/// Weighted candidates that also have `id_hash()`: a hash of each endpoint's id, as in `Identity`. Different ids should
/// have different hashes.
template <class C>
concept IdentifiedCandidates = WeightedCandidates<C> && requires(const C& candidates, std::size_t i) {
  { candidates[i].id_hash() } -> std::same_as<std::uint64_t>;
};

/// A type with `incarnation()`: the number of the life of an endpoint that it belongs to. Leases and the router's
/// candidates have it. Lives are numbered per role. The role is the type's constant `role`; a type without one counts
/// as prefill.
template <class T>
concept HasIncarnation = requires(const T& life) {
  { life.incarnation() } -> std::convertible_to<std::uint64_t>;
};

/// Candidates with `incarnation()`: which life of its endpoint each candidate is, as a number; see `HasIncarnation`.
template <class C>
concept IncarnatedCandidates = CandidateRange<C> && requires(const C& candidates, std::size_t i) {
  requires HasIncarnation<std::remove_cvref_t<decltype(candidates[i])>>;
};

namespace detail {

/// The role of a lease or a candidate; prefill for a type without a constant `role`.
template <class T>
[[nodiscard]] consteval Role role_of() {
  if constexpr (requires { requires std::is_same_v<decltype(&T::role), const Role*>; }) {
    return T::role;
  } else {
    return Role::prefill;
  }
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
