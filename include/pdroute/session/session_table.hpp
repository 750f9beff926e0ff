// SPDX-License-Identifier: Apache-2.0
// SessionTable: remembers which endpoint serves a session, for a bounded number of sessions.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/key.hpp>
#include <pdroute/random.hpp>
#include <pdroute/role.hpp>
#include <pdroute/session/detail/session_set.hpp>
#include <random>
#include <string>
#include <vector>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// The mark of the router that a lease or a candidate belongs to, from its key; 0 if it has none.
template <class Life>
[[nodiscard]] std::uint64_t router_of(const Life& life) {
  if constexpr (requires { std::uint64_t{life.key().router}; }) {
    return life.key().router;
  } else {
    return 0;
  }
}

}  // namespace detail

/// Session affinity: a bounded table from sessions to the incarnation of an endpoint that serves each, one binding per
/// session and role. `SessionAffinityPolicy` reads it. The gateway writes it after an engine has accepted the request.
/// A choice alone makes no binding, so a session does not stick to an endpoint that fails.
///
///     if (request.key) sessions->bind(*request.key, route->decode, clock.now());
///
/// One table serves both legs of one router, or each leg has its own. Give each router a table of its own. If two
/// routers share one, the later of them to bind a session has it, and for the other router the session is unbound: a
/// binding stores the life together with the mark of its router, which is the member `router` of its key. A life of
/// one router is taken for a life of the other in one case of 2^39. Lists of the caller's own have the mark 0.
///
/// How: the table consists of sets of eight places. A session can stand only in the set that its hash selects.
///
/// Guarantees:
/// - A binding expires when `bind` has not renewed it for `idle` (at most idle / 1024 later). Until then it is found,
///   unless its place is given to another session.
/// - A place is given to another session only if all eight places of the set are in use. Then the least recently used
///   of the sessions that were bound only once loses its place; if there is none, the least recently used of all. So a
///   flood of sessions that are bound once takes at most one place from the sessions in a set that were bound more
///   often.
/// - An incarnation that is found was bound to this session and no other. If two threads give away the same place at
///   once, both new bindings may be lost.
/// - A clock that steps back by no more than `idle` loses no binding.
/// - After 8,192 times `idle`, plus or minus one `idle`, an expired binding may be found again.
///
/// Security: the hash that spreads sessions over sets is seeded but not cryptographic. A client that does not know the
/// seed cannot choose keys that push the sessions of others out. If the caller gives no seed, the constructor draws
/// one, because every client would know a constant.
///
/// Memory: 16 bytes per binding, allocated by the constructor; nothing else allocates.
/// Complexity: O(1), two cache lines. For a session that does not move, `bind` writes at most once per idle / 1024.
/// Thread safety: all members may be called from many threads at once; lock-free.
class SessionTable {
 public:
  /// Size, lifetime and seed of a table.
  struct Options {
    /// The number of bindings; from 1 to `max_places`, rounded up to 8 times a power of two. A session that is bound in
    /// both roles takes two. Give twice the number of bindings that should stay: then 1 binding in 120 finds its set of
    /// eight full, against 1 in 7 with just that number. The default takes 2 MiB and suits 32,768 sessions on both
    /// legs.
    std::size_t max_bindings = 131'072;
    /// How long a session may pause without losing its binding; longer than zero and at most a hundred years, rounded
    /// up to a multiple of 1,024 ns. The default of four hours is that of SGLang's router; it spans a user's lunch
    /// break.
    std::chrono::nanoseconds idle = std::chrono::hours{4};
    /// The seed of the hash that spreads sessions over the table; without one, the constructor draws it from
    /// `std::random_device`. It decides only which sessions compete for the same places. Give a seed, and one that
    /// clients do not know, where that has to be reproducible.
    std::optional<std::uint64_t> seed = {};
  };
  static constexpr std::size_t max_places = std::size_t{1} << 26U;  ///< the most bindings of a table; they take 1 GiB
  /// The highest incarnation that a table can store.
  static constexpr std::uint64_t max_incarnation = detail::SessionSet::max_life / 2 - 1;

  /// A table with the default options. Allocates, and draws a seed.
  SessionTable() : SessionTable(Options{}) {}
  /// A table with these options. Allocates. If `check` finds something wrong with them, the table stores nothing.
  explicit SessionTable(const Options& options) : SessionTable(options, options.seed ? *options.seed : drawn_seed()) {}
  SessionTable(const SessionTable&) = delete;             ///< not copyable; share it by pointer
  SessionTable& operator=(const SessionTable&) = delete;  ///< not copyable

  /// What is wrong with the options; none if nothing is wrong.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (options_.max_bindings == 0 || options_.max_bindings > max_places)
      return ConfigError{ConfigError::Rule::sessions_in_range, std::to_string(options_.max_bindings)};
    if (options_.idle <= std::chrono::nanoseconds::zero() || options_.idle > detail::longest_option)
      return ConfigError{ConfigError::Rule::idle_in_range, std::to_string(options_.idle.count()) + " ns"};
    return std::nullopt;
  }

  /// The number of bindings that fit, after rounding.
  [[nodiscard]] std::size_t capacity() const noexcept { return sets_.size() * detail::SessionSet::places; }

  /// The incarnation that serves the session in this role; none if the table has no binding that still counts. `router`
  /// is the mark of the router whose lives are meant; without it, that of the last life that was bound.
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<std::uint64_t> find(Key key, Role role, std::chrono::time_point<Clock, Duration> now,
                                                  std::optional<std::uint64_t> router = {}) const noexcept {
    if (sets_.empty()) return std::nullopt;
    const std::uint64_t session = hash(key, role);
    const std::optional<std::uint64_t> life = sets_[place(session)].find(session, at(now));
    if (!life) return std::nullopt;
    const std::uint64_t offset = offset_of(router.value_or(last_router_.load(std::memory_order_relaxed)));
    return (*life >= offset ? *life - offset : *life + (detail::SessionSet::max_life + 1 - offset)) >> 1U;
  }

  /// Binds the session to this incarnation in this role, in place of an earlier binding. Call it at each use, because
  /// that renews the binding. `router` is the mark of the router that numbers the incarnation. An incarnation above
  /// `max_incarnation` removes the binding instead; a pool, which counts lives, does not reach that number.
  template <class Clock, class Duration>
  void bind(Key key, Role role, std::uint64_t incarnation, std::chrono::time_point<Clock, Duration> now,
            std::uint64_t router = 0) noexcept {
    if (sets_.empty()) return;
    if (incarnation > max_incarnation) return forget(key, role);
    if (last_router_.load(std::memory_order_relaxed) != router) last_router_.store(router, std::memory_order_relaxed);
    const std::uint64_t session = hash(key, role);
    sets_[place(session)].bind(session, life_of(role, incarnation, router), at(now));
  }
  /// Binds the session to the incarnation and role of `life`, such as a lease. Precondition: a lease has not ended. For
  /// a lease that may have ended, store its `key()` before and bind the key's role, incarnation and router.
  template <HasIncarnation Life, class Clock, class Duration>
  void bind(Key key, const Life& life, std::chrono::time_point<Clock, Duration> now) noexcept {
    static_assert(detail::takes_times_of<Life, Clock>,
                  "pdroute: this is a time point of another clock; give the `now()` of the router's own clock");
    bind(key, detail::role_of<Life>(), life.incarnation(), now, detail::router_of(life));
  }

  /// Removes the session's binding in this role, for a session that has ended or may move.
  void forget(Key key, Role role) noexcept {
    if (sets_.empty()) return;
    const std::uint64_t session = hash(key, role);
    sets_[place(session)].forget(session);
  }
  /// Removes the session's bindings in both roles.
  void forget(Key key) noexcept {
    forget(key, Role::prefill);
    forget(key, Role::decode);
  }

  /// The number of sessions that are bound to this incarnation in this role: those that were bound to it, and have not
  /// been bound elsewhere, forgotten, displaced or idle for too long since. An endpoint that is drained for new
  /// sessions only can go when none is left. Two threads that bind the same session for the first time at once, or give
  /// away the same place at once, may leave a binding that counts until it expires and is not found.
  /// Complexity: O(capacity), because it reads the whole table. Do not call it for each request.
  template <class Clock, class Duration>
  [[nodiscard]] std::size_t count(Role role, std::uint64_t incarnation, std::chrono::time_point<Clock, Duration> now,
                                  std::optional<std::uint64_t> router = {}) const noexcept {
    if (incarnation > max_incarnation) return 0;
    const std::uint64_t mark = router.value_or(last_router_.load(std::memory_order_relaxed));
    std::size_t sessions = 0;
    for (const detail::SessionSet& set : sets_) sessions += set.count(life_of(role, incarnation, mark), at(now));
    return sessions;
  }
  /// The number of sessions that are bound to the incarnation and role of `life`, such as a lease.
  template <HasIncarnation Life, class Clock, class Duration>
  [[nodiscard]] std::size_t count(const Life& life, std::chrono::time_point<Clock, Duration> now) const noexcept {
    return count(detail::role_of<Life>(), life.incarnation(), now, detail::router_of(life));
  }

 private:
  SessionTable(const Options& options, std::uint64_t seed)
      : options_(options),
        seeds_{stream_seed(seed, 0), stream_seed(seed, 1)},
        tick_(options.idle.count() / detail::SessionSet::lifetime +
              (options.idle.count() % detail::SessionSet::lifetime > 0)),
        sets_(check() ? 0 : std::bit_ceil((options.max_bindings - 1) / detail::SessionSet::places + 1)) {}

  [[nodiscard]] static std::uint64_t drawn_seed() {
    std::random_device source;
    return (std::uint64_t{source()} << 32U) ^ source();
  }
  /// Where the numbers of a router's lives begin, so that those of two routers are far apart; 0 for lists of the
  /// caller's own.
  [[nodiscard]] static std::uint64_t offset_of(std::uint64_t router) noexcept {
    return router == 0 ? 0 : SplitMix64::mix(router) % (detail::SessionSet::max_life + 1);
  }
  /// The number that a set stores for a life. Incarnations are numbered per role and router, so it includes both.
  [[nodiscard]] static std::uint64_t life_of(Role role, std::uint64_t incarnation, std::uint64_t router) noexcept {
    const std::uint64_t life = incarnation * 2 + (role == Role::prefill ? 0 : 1);
    return (life + offset_of(router)) % (detail::SessionSet::max_life + 1);
  }
  /// A bijection of keys for each role, so different sessions have different hashes. The key is mixed twice, because a
  /// client without the seed cannot choose the input of the second round.
  [[nodiscard]] std::uint64_t hash(Key key, Role role) const noexcept {
    const std::uint64_t seed = seeds_[role == Role::prefill ? 0 : 1];
    return SplitMix64::mix(SplitMix64::mix(static_cast<std::uint64_t>(key) ^ seed) + seed);
  }
  [[nodiscard]] std::size_t place(std::uint64_t session) const noexcept { return session & (sets_.size() - 1); }

  /// The time in ticks, rounded down, also before the epoch.
  template <class Clock, class Duration>
  [[nodiscard]] std::int64_t at(std::chrono::time_point<Clock, Duration> now) const noexcept {
    const std::int64_t moment = detail::nanoseconds_of(now);
    return moment / tick_ - (moment % tick_ < 0 ? 1 : 0);
  }

  Options options_;
  std::array<std::uint64_t, 2> seeds_;  // one per role
  std::int64_t tick_;                   // in nanoseconds
  std::vector<detail::SessionSet> sets_;
  std::atomic<std::uint64_t> last_router_{0};
};

}  // namespace v0
}  // namespace pdroute
