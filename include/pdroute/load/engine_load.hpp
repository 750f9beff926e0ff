// SPDX-License-Identifier: Apache-2.0
// EngineLoad: a load metric of a whole engine, which may have several endpoints.
#pragma once

#include <cstdint>
#include <memory>
#include <pdroute/capacity.hpp>
#include <pdroute/load/detail/engine_sums.hpp>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// A load metric: the requests, the tokens and the KV tokens that an engine holds in all its endpoints together, in
/// both roles of a router. Endpoints of an engine are those with the same `EndpointTraits::instance`, or with the same
/// id if there is none. `EndpointTraits::engine_capacity` limits the sums; each endpoint's own limits hold as well.
///
/// Use it for an engine that computes prompts and generates too, or whose data-parallel ranks are endpoints of their
/// own: by itself, a role of the router sees only what it gives to the endpoint. Give it to both roles, such as by
/// `WithMetrics<Policy, EngineLoad>`; a role without it is neither counted nor limited. A request whose two legs are on
/// one engine counts twice while both leases last.
///
/// Guarantee: reservations never take a sum above the engine's limit. `Lease::progress` may.
///
/// Complexity: O(1) for all members. A lease costs three atomic additions, on a line that all endpoints of the engine
/// write.
/// Thread safety: all members may be called from many threads at once; lock-free.
class EngineLoad {
 public:
  struct Options {};  ///< there are none
  /// What one lease stores.
  struct Held {
    std::uint64_t tokens = 0;     ///< tokens to compute that it holds
    std::uint64_t kv_tokens = 0;  ///< KV tokens that it holds
  };

  EngineLoad() = default;  ///< an engine of its own, sums 0, no limits
  /// An engine of its own, sums 0, no limits.
  explicit EngineLoad(Options /*options*/) {}

  /// Makes this endpoint one of the engine with these sums. The pool calls it before another thread sees the metric.
  void join(std::shared_ptr<detail::EngineSums> engine) noexcept { engine_ = std::move(engine); }
  /// Sets the limits of the engine, with immediate effect. A sum above its limit stays, and the engine counts as full
  /// until there is room.
  void set_engine_capacity(const Capacity& capacity) noexcept { engine_->set_limits(capacity); }

  /// Hook of `HoldsDemand`: whether `try_hold` would succeed now.
  [[nodiscard]] bool has_room(const Demand& demand) const noexcept {
    return engine_->requests.has_room(1) && engine_->tokens.has_room(demand.tokens) &&
           engine_->kv_tokens.has_room(demand.kv_tokens);
  }
  /// Hook of `HoldsDemand`: whether `try_hold` would succeed if no lease held anything.
  [[nodiscard]] bool could_hold(const Demand& demand) const noexcept {
    return engine_->tokens.could_fit(demand.tokens) && engine_->kv_tokens.could_fit(demand.kv_tokens);
  }
  /// Hook of `HoldsDemand`: adds the request and its demand to the sums. If one would exceed its limit, adds nothing
  /// and returns false.
  [[nodiscard]] bool try_hold(const Demand& demand, Held& held) noexcept {
    if (!engine_->requests.try_add(1)) return false;
    if (engine_->tokens.try_add(demand.tokens)) {
      if (engine_->kv_tokens.try_add(demand.kv_tokens)) {
        held = {demand.tokens, demand.kv_tokens};
        return true;
      }
      engine_->tokens.subtract(demand.tokens);
    }
    engine_->requests.subtract(1);
    return false;
  }
  /// Hook of `HoldsDemand`: the request has grown by `tokens`. This may exceed a limit. The sums never overflow.
  void grow(Held& held, std::uint64_t tokens) noexcept {
    held.tokens += engine_->tokens.grow(tokens);
    held.kv_tokens += engine_->kv_tokens.grow(tokens);
  }
  /// Hook of `HoldsDemand`: the prompt is computed, so the lease holds no tokens to compute any more.
  void computed(Held& held) noexcept { engine_->tokens.subtract(std::exchange(held.tokens, 0)); }
  /// Hook of `HoldsDemand`: the lease has ended.
  void let_go(Held& held) noexcept {
    computed(held);
    engine_->kv_tokens.subtract(std::exchange(held.kv_tokens, 0));
    engine_->requests.subtract(1);
  }
  /// Hook of `HoldsDemand`: the limits of the endpoint alone, which other metrics keep.
  void set_capacity(const Capacity& /*capacity*/) noexcept {}

  /// The leases of the engine that have not ended.
  [[nodiscard]] std::uint64_t engine_in_flight() const noexcept { return engine_->requests.value(); }
  /// The tokens to compute that all leases of the engine hold now.
  [[nodiscard]] std::uint64_t engine_tokens() const noexcept { return engine_->tokens.value(); }
  /// The KV tokens that all leases of the engine hold now.
  [[nodiscard]] std::uint64_t engine_kv_tokens() const noexcept { return engine_->kv_tokens.value(); }
  /// The limits of the engine.
  [[nodiscard]] Capacity engine_capacity() const noexcept { return engine_->limits(); }

 private:
  std::shared_ptr<detail::EngineSums> engine_ = std::make_shared<detail::EngineSums>();
};

namespace detail {

/// Whether `Load` is `EngineLoad` or derives from it, also through `Loads`.
template <class Load>
inline constexpr bool counts_engines = std::is_base_of_v<EngineLoad, Load>;

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
