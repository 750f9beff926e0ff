// SPDX-License-Identifier: Apache-2.0
// Life: what identifies one life of an endpoint in one role.
#pragma once

#include <cstdint>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/endpoint_key.hpp>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Copies of the endpoint's id and incarnation key, and the numbers that the pool and the router give to its life.
/// Thread safety: immutable once other threads see it.
template <Role role, EndpointType Endpoint>
class Life {
 public:
  /// `router` is the router's mark, see `EndpointKey`.
  Life(const Endpoint& endpoint, std::uint64_t incarnation, std::uint64_t router)
      : incarnation_(incarnation),
        router_(router),
        engine_(detail::engine_hash(endpoint)),
        id_(pdroute::endpoint_id(endpoint)),
        life_key_(detail::life_key(endpoint)) {}

  [[nodiscard]] EndpointIdView<Endpoint> id() const noexcept { return id_; }
  [[nodiscard]] const LifeKey<Endpoint>& life_key() const noexcept { return life_key_; }
  /// Numbers the life; unique within the pool.
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
  [[nodiscard]] EndpointKey key() const noexcept { return {role, incarnation_, router_}; }
  /// A hash of the engine that the endpoint belongs to, equal in both roles and for all ranks of one instance.
  [[nodiscard]] std::uint64_t engine() const noexcept { return engine_; }

  /// A hash of the id, equal in both roles and for all lives.
  [[nodiscard]] std::uint64_t hash_of_id() const noexcept { return detail::view_hash(id()); }

  void number(std::uint64_t incarnation) noexcept { incarnation_ = incarnation; }  // before others see the life

 private:
  std::uint64_t incarnation_;
  std::uint64_t router_;  // its mark
  std::uint64_t engine_;
  EndpointId<Endpoint> id_;
  [[no_unique_address]] LifeKey<Endpoint> life_key_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
