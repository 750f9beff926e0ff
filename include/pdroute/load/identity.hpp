// SPDX-License-Identifier: Apache-2.0
// Identity: which endpoint a slot belongs to, as a number, and how much that endpoint can take.
#pragma once

#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// Not how busy an endpoint is but what it is, for policies that weigh endpoints or tell them apart by number. It is
/// stored only in roles whose policy asks for it.
/// Thread safety: written before the endpoint is shown, and only read from then on.
class Identity {
 public:
  struct Options {};

  Identity() = default;
  constexpr explicit Identity(Options /*options*/) noexcept {}

  /// A hash of the id: equal for equal ids on every platform and in every life of the endpoint.
  [[nodiscard]] constexpr std::uint64_t id_hash() const noexcept { return id_hash_; }
  /// From 1 to `max_endpoint_weight`, see `EndpointTraits`.
  [[nodiscard]] constexpr std::uint32_t weight() const noexcept { return weight_; }

  /// For the pool, once.
  constexpr void identify(std::uint64_t id_hash, std::uint32_t weight) noexcept {
    id_hash_ = id_hash;
    weight_ = weight;
  }

 private:
  std::uint64_t id_hash_ = 0;
  std::uint32_t weight_ = 1;
};

}  // namespace v0
}  // namespace pdroute
