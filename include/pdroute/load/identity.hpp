// SPDX-License-Identifier: Apache-2.0
// Identity: a load metric that tells a hash of the endpoint's id, and the endpoint's weight.
#pragma once

#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// A load metric that does not measure: it tells which endpoint this is and what its weight is. It is for policies that
/// read weights or hash ids, such as `WeightedRoundRobinPolicy` and `RendezvousPolicy`. It is stored only in roles with
/// a policy that asks for it.
/// Thread safety: written once before other threads see the endpoint, and only read after that.
class Identity {
 public:
  struct Options {};  ///< there are none

  Identity() = default;  ///< hash 0 and weight 1, until `identify` is called
  /// Hash 0 and weight 1, until `identify` is called.
  constexpr explicit Identity(Options /*options*/) noexcept {}

  /// A hash of the endpoint's id, equal for equal ids on every platform and in every life of the endpoint.
  [[nodiscard]] constexpr std::uint64_t id_hash() const noexcept { return id_hash_; }
  /// The endpoint's weight, from 1 to `max_endpoint_weight`; see `EndpointTraits`.
  [[nodiscard]] constexpr std::uint32_t weight() const noexcept { return weight_; }

  /// Hook of `IdentifiesEndpoint`: the pool calls it once, before other threads see the endpoint.
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
