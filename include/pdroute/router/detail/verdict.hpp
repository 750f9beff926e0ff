// SPDX-License-Identifier: Apache-2.0
// Verdict: take a chosen endpoint, try another or give up. TakeFirst and AnyEndpoint: the defaults without filters.
#pragma once

#include <cstdint>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What to do with an endpoint that a leg has chosen.
enum class Verdict : std::uint8_t {
  take,         ///< it is the leg's answer
  try_another,  ///< undo the choice and choose again without this endpoint
  give_up,      ///< undo the choice; no other endpoint would do better
};

/// Takes the first endpoint that the policy chooses.
struct TakeFirst {
  [[nodiscard]] Verdict operator()(const auto& /*choice*/) const noexcept { return Verdict::take; }
};

/// Finds every endpoint compatible.
struct AnyEndpoint {
  [[nodiscard]] bool operator()(const auto& /*endpoint*/) const noexcept { return true; }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
