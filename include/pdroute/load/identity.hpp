// SPDX-License-Identifier: Apache-2.0
// Identity: a load metric that tells a hash of the endpoint's id, and the endpoint's weight.
#pragma once

#include <atomic>
#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// A load metric that does not measure: it tells which endpoint this is and what its weight is. It is for policies that
/// read weights or hash ids, such as `WeightedRoundRobinPolicy` and `RendezvousPolicy`. It is stored only in roles with
/// a policy that asks for it.
/// Thread safety: `weight` and `identify` may be called from many threads at once. The hash is written before other
/// threads see the endpoint, and never changes after that.
class Identity {
 public:
  struct Options {};  ///< there are none

  Identity() = default;  ///< hash 0 and weight 1, until `identify` is called
  /// Hash 0 and weight 1, until `identify` is called.
  explicit Identity(Options /*options*/) noexcept {}

  /// A hash of the endpoint's id, equal for equal ids on every platform and in every life of the endpoint.
  [[nodiscard]] constexpr std::uint64_t id_hash() const noexcept { return id_hash_; }
  /// The endpoint's weight, from 1 to `max_endpoint_weight`; see `EndpointTraits`.
  [[nodiscard]] std::uint32_t weight() const noexcept {
    return weight_.load(std::memory_order_relaxed);  // a weight refers to no other memory
  }

  /// Hook of `IdentifiesEndpoint`: the pool calls it before other threads see the endpoint, and again with the same
  /// hash when the weight has changed. A choice in progress may read some weights before a change and others after it.
  void identify(std::uint64_t id_hash, std::uint32_t weight) noexcept {
    if (id_hash != id_hash_) id_hash_ = id_hash;  // not written again while other threads read it
    weight_.store(weight, std::memory_order_relaxed);
  }

 private:
  std::uint64_t id_hash_ = 0;
  std::atomic<std::uint32_t> weight_{1};
};

}  // namespace v0
}  // namespace pdroute
