// SPDX-License-Identifier: Apache-2.0
// Lease: holds one request's place on an endpoint until the request ends.
#pragma once

#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <pdroute/clock.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/endpoint_key.hpp>
#include <pdroute/role.hpp>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

template <std::size_t capacity>
class FailedEndpoints;

/// Holds one request's place on an endpoint, and what the request demands of it. A lease does not expire: it counts
/// from the moment of choice until it ends, exactly once, on any thread, also after the router has gone. `->` and `*`
/// give the caller's endpoint, which lives at least as long as the lease.
///
///     operation                          | holds a place                            | empty: ended or moved from
///     -----------------------------------+------------------------------------------+---------------------------
///     complete()                         | ends; counted as completed               | no effect
///     fail(kind)                         | ends; counted as a failure of this kind  | no effect
///     reject()                           | ends; counted as rejected                | no effect
///     cancel()                           | ends; counted as cancelled               | no effect
///     destruction, assignment            | as cancel(); after staged(), counted as  | no effect
///                                        | abandoned, too                           |
///     progress(tokens), first_token(now) | holds its place                          | no effect
///     staged(), fetched()                | holds its place                          | no effect
///     move from                          | empty; the new lease holds the place     | both are empty
///     router.detach(std::move(lease))    | empty; the router keeps the lease        | no id
///     `*`, `->`, id(), key()             | the endpoint                             | precondition violated
///
/// All endings release the same and differ only in what is counted. An ended lease names no endpoint: copy what you
/// will log or use before it ends.
///
/// Thread safety: thread-compatible. Move it between threads freely; two threads must not use one lease at once.
/// The thread that ends the last lease of a removed endpoint destroys the library's copy of that endpoint.
template <class Slot>
class [[nodiscard]] Lease {
 public:
  static constexpr Role role = Slot::role;                         ///< of the endpoint that it holds a place on
  using RouterClock = typename detail::RouterClockOf<Slot>::Type;  ///< void where it is not known, as in a pool alone
  static constexpr bool measures_time = Slot::times_leases;        ///< whether `complete` must be told when

  Lease() = default;  ///< holds nothing
  /// For the router.
  explicit Lease(typename Slot::Place* reserved, const typename Slot::Held& held = {}) noexcept
      : place_(reserved), held_(held) {}
  Lease(Lease&& other) noexcept : place_(std::exchange(other.place_, nullptr)), held_(std::move(other.held_)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      drop();
      place_ = std::exchange(other.place_, nullptr);
      held_ = std::move(other.held_);
    }
    return *this;
  }
  ~Lease() { drop(); }

  /// The request's work here is done: after the first token for prefill, after the last for decode.
  [[gnu::always_inline]] inline void complete() noexcept {
    static_assert(!measures_time,
                  "pdroute: this role measures how long requests take, so say when: complete(clock.now())");
    if (place_ == nullptr) return;
    Slot::complete(std::exchange(place_, nullptr), held_);
    forget();
  }
  /// The request's work here is done at this moment of the router's clock. Roles that measure time need the moment;
  /// other roles ignore it.
  template <class Clock, class Duration>
  void complete(std::chrono::time_point<Clock, Duration> now) noexcept {
    static_assert(detail::takes_times_of<Slot, Clock>,
                  "pdroute: this is a time point of another clock; give the `now()` of the router's own clock");
    if constexpr (measures_time) now = detail::in_range(now);
    if (place_ == nullptr) return;
    Slot::complete(std::exchange(place_, nullptr), held_, now);
    forget();
  }
  /// The first token has come, and the request continues on this endpoint. It is a sign of life, which proves a probe
  /// of outlier detection.
  void first_token() noexcept {
    static_assert(!measures_time,
                  "pdroute: this role measures how long requests take, so say when: first_token(clock.now())");
    if (place_ != nullptr) Slot::progressed(place_);
  }
  /// The first token has come at this moment of the router's clock. Call it once. Roles that measure time need the
  /// moment (see `TimeToFirstToken`); other roles ignore it.
  template <class Clock, class Duration>
  void first_token(std::chrono::time_point<Clock, Duration> now) noexcept {
    static_assert(detail::takes_times_of<Slot, Clock>,
                  "pdroute: this is a time point of another clock; give the `now()` of the router's own clock");
    if (place_ == nullptr) return;
    if constexpr (measures_time) place_->slot->first_token(held_, detail::in_range(now));
    Slot::progressed(place_);
  }
  /// The endpoint did not do its work.
  void fail(FailureKind kind) noexcept {
    if (place_ == nullptr) return;
    Slot::fail(std::exchange(place_, nullptr), held_, kind);
    forget();
  }
  /// The request itself is at fault (HTTP 4xx), and the endpoint has refused it for that reason. This says nothing
  /// about the endpoint: it is no failure, no completion and no sample of latency.
  void reject() noexcept {
    if (place_ == nullptr) return;
    Slot::reject(std::exchange(place_, nullptr), held_);
    forget();
  }
  /// The client went away, or the gateway gives up, and has seen to the KV that may be staged. Destruction without a
  /// word cancels, too, but is reported in `Outcomes::abandoned` if KV was staged.
  void cancel() noexcept {
    if (place_ != nullptr && place_->staged) place_ = place_->other;
    drop();
  }

  /// The prompt is computed, and its KV is staged at the prefill endpoint until the decode endpoint has fetched it.
  /// Call it on both leases of the request, as `Route::staged` does.
  ///
  /// A prefill lease lets go of what it held for computing (see `Tokens`), and keeps its place and its KV tokens until
  /// it is completed. A decode lease is owed from now on: destroying it before `fetched` or another ending is counted
  /// in `Outcomes::abandoned`, and so is destroying the prefill lease. A second call has no effect.
  void staged() noexcept {
    static_assert(role == Role::decode || !measures_time,
                  "pdroute: this role measures how long requests take, so say when: staged(clock.now())");
    if (place_ != nullptr) place_ = Slot::staged(place_, held_);
  }
  /// The KV is staged at this moment of the router's clock. A prefill role that measures time takes its sample now, and
  /// none when the lease is completed; other roles ignore the moment.
  template <class Clock, class Duration>
  void staged(std::chrono::time_point<Clock, Duration> now) noexcept {
    static_assert(detail::takes_times_of<Slot, Clock>,
                  "pdroute: this is a time point of another clock; give the `now()` of the router's own clock");
    if constexpr (measures_time) now = detail::in_range(now);
    if (place_ != nullptr) place_ = Slot::staged(place_, held_, now);
  }
  /// The decode endpoint has fetched the KV, so this lease leaves none behind. No effect before `staged`.
  void fetched() noexcept
    requires(role == Role::decode)
  {
    if (place_ != nullptr && place_->staged) place_ = place_->other;
  }
  /// The endpoint did not do its work; adds it to `failed`.
  template <std::size_t capacity>
  void fail(FailureKind kind, FailedEndpoints<capacity>& failed) noexcept {
    if (place_ != nullptr) failed.add(*this, kind);
    fail(kind);
  }

  /// The request has grown by `tokens`, such as those just generated, and holds more. This may take the endpoint above
  /// its limits, see `EndpointStatus::over_capacity`. Like `first_token`, it is a sign of life. Only in a role that
  /// counts tokens.
  void progress(std::uint64_t tokens) noexcept
    requires(Slot::holds_demand)
  {
    if (place_ == nullptr || tokens == 0) return;
    place_->slot->grow(held_, tokens);
    Slot::progressed(place_);
  }
  /// The request has grown by `tokens`. Zero or a negative number has no effect.
  template <std::signed_integral Tokens>
  void progress(Tokens tokens) noexcept
    requires(Slot::holds_demand)
  {
    if (tokens > 0) progress(static_cast<std::uint64_t>(tokens));
  }

  /// Whether the request still holds its place.
  explicit operator bool() const noexcept { return place_ != nullptr; }

  /// The caller's endpoint. Precondition: holds a place.
  [[nodiscard]] const auto& operator*() const noexcept { return *place().endpoint; }
  /// The caller's endpoint. Precondition: holds a place.
  [[nodiscard]] const auto* operator->() const noexcept { return place().endpoint; }
  /// The endpoint's id, valid as long as the lease. Precondition: holds a place.
  [[nodiscard]] auto id() const noexcept { return pdroute::endpoint_id(*place().endpoint); }
  /// Which life of the endpoint this is. Precondition: holds a place.
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return place().slot->incarnation(); }
  /// Which life of which role this is, as a value that outlives the lease. Precondition: holds a place.
  [[nodiscard]] EndpointKey key() const noexcept { return place().slot->key(); }

  /// A hash of the engine that the endpoint belongs to, see `FailedEndpoint`. Precondition: holds a place.
  [[nodiscard]] std::uint64_t engine() const noexcept { return place().slot->engine(); }
  /// A hash of the endpoint's id, see `FailedEndpoint`. Precondition: holds a place.
  [[nodiscard]] std::uint64_t hash_of_id() const noexcept { return place().slot->hash_of_id(); }

  /// For the router: takes the reservation back as if it had never been. Precondition: holds a place, and the caller
  /// pins its slot.
  template <class Receipt>
  void undo(const Receipt& receipt) noexcept {
    Slot::undo_reservation(std::exchange(place_, nullptr), held_, receipt);
    forget();
  }

 private:
  [[nodiscard]] const auto& place() const noexcept {
    assert(place_ != nullptr && "a lease that has ended or was moved from names no endpoint");
    return *place_;
  }
  [[gnu::always_inline]] inline void drop() noexcept {
    if (place_ != nullptr) [[unlikely]] {
      Slot::cancel(std::exchange(place_, nullptr), held_);
      forget();
    }
  }
  /// The lease has ended, so it keeps nothing of its load metric; plain numbers may stay.
  [[gnu::always_inline]] inline void forget() noexcept {
    if constexpr (!std::is_trivially_destructible_v<typename Slot::Held>) held_ = typename Slot::Held{};
  }

  typename Slot::Place* place_ = nullptr;
  [[no_unique_address]] typename Slot::Held held_{};
};

}  // namespace v0
}  // namespace pdroute
