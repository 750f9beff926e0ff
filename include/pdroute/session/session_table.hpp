// SPDX-License-Identifier: Apache-2.0
// SessionTable: which life of an endpoint serves a session, for a bounded number of sessions.
#pragma once

#include <array>
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
#include <string>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// Remembers which incarnation of an endpoint serves a session in a role, until the session has been idle for too long.
/// `SessionAffinityPolicy` reads it. The gateway writes it, once an engine has accepted the request: a choice alone
/// binds nobody, so a session does not stick to an endpoint that fails.
///
///     if (request.key) sessions->bind(*request.key, route->decode, clock.now());
///
/// One table serves both legs of one router, or each leg has its own. Two routers must not share one: each numbers the
/// incarnations of its endpoints.
///
/// Guarantees. A binding is found from `bind` until it has not been bound again for `idle`, and for at most idle / 1024
/// longer; unless its place went to another session. A place goes to another session only if the eight that may stand
/// there are all in use, and then that of the least recently used of those that were bound once, or of all if there is
/// none. So however many sessions come that are bound once, each set of eight loses at most one that was bound more
/// often. An incarnation that is found was bound to this very session. (Two threads that give the same place away at
/// once may both lose it.) A clock that steps back by no more than `idle` forgets nothing. After 8,192 times `idle`,
/// give or take one, a forgotten binding may be found again.
///
/// Sessions are spread by a seeded hash that is not cryptographic: who does not know the seed cannot aim at the
/// sessions of others.
///
/// Memory: 16 bytes per binding, all of it from the beginning. Cost: O(1), two cache lines; `bind` writes a session
/// once in idle / 1024 unless it moves. Nothing allocates but the constructor.
/// Thread safety: all members may be called from many threads at once; lock-free.
class SessionTable {
 public:
  struct Options {
    /// A session that is bound in both roles takes two. Rounded up to 8 times a power of two. Give it twice the number
    /// that shall stay: 1 in 120 then finds its set of eight full; 1 in 7 if it is just the number. The default is 2
    /// MiB, and good for 32,768 sessions on both legs.
    std::size_t max_bindings = 131'072;
    /// How long a session may pause and still meet its endpoint. Four hours as in SGLang's router: a user who is back
    /// after lunch. Rounded up to a multiple of 1,024 ns; at most a hundred years.
    std::chrono::nanoseconds idle = std::chrono::hours{4};
    /// One that clients do not know.
    std::uint64_t seed = 0;
  };
  static constexpr std::size_t max_places = std::size_t{1} << 26U;  // 1 GiB
  static constexpr std::uint64_t max_incarnation = detail::SessionSet::max_incarnation;

  SessionTable() : SessionTable(Options{}) {}
  /// With options in which `check()` finds something wrong, the table remembers nothing.
  explicit SessionTable(const Options& options)
      : options_(options),
        seeds_{stream_seed(options.seed, 0), stream_seed(options.seed, 1)},
        tick_(options.idle.count() / detail::SessionSet::lifetime +
              (options.idle.count() % detail::SessionSet::lifetime > 0)),
        sets_(check() ? 0 : std::bit_ceil((options.max_bindings - 1) / detail::SessionSet::places + 1)) {}
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  [[nodiscard]] std::optional<ConfigError> check() const {
    if (options_.max_bindings == 0 || options_.max_bindings > max_places)
      return ConfigError{ConfigError::Rule::sessions_in_range, std::to_string(options_.max_bindings)};
    if (options_.idle <= std::chrono::nanoseconds::zero() || options_.idle > std::chrono::hours{24 * 365 * 100})
      return ConfigError{ConfigError::Rule::idle_in_range, std::to_string(options_.idle.count()) + " ns"};
    return std::nullopt;
  }

  /// How many bindings there is room for.
  [[nodiscard]] std::size_t capacity() const noexcept { return sets_.size() * detail::SessionSet::places; }

  /// The incarnation that serves the session in this role, if it is known.
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<std::uint64_t> find(Key key, Role role,
                                                  std::chrono::time_point<Clock, Duration> now) const noexcept {
    if (sets_.empty()) return std::nullopt;
    const std::uint64_t session = hash(key, role);
    return sets_[place(session)].find(session, at(now));
  }

  /// The session is served by this incarnation from now on, whoever has served it. Call it at each use. An incarnation
  /// above `max_incarnation` is not remembered; the pool's, which counts lives, never comes there.
  template <class Clock, class Duration>
  void bind(Key key, Role role, std::uint64_t incarnation, std::chrono::time_point<Clock, Duration> now) noexcept {
    if (sets_.empty()) return;
    if (incarnation > max_incarnation) return forget(key, role);
    const std::uint64_t session = hash(key, role);
    sets_[place(session)].bind(session, incarnation, at(now));
  }
  /// The same for what is at hand, such as a lease. Precondition: the lease holds a place; one that may have ended
  /// leaves its `key()`, which tells the role and the incarnation.
  template <HasIncarnation Life, class Clock, class Duration>
  void bind(Key key, const Life& life, std::chrono::time_point<Clock, Duration> now) noexcept {
    bind(key, detail::role_of<Life>(), life.incarnation(), now);
  }

  /// The session has ended, or shall be free to move.
  void forget(Key key, Role role) noexcept {
    if (sets_.empty()) return;
    const std::uint64_t session = hash(key, role);
    sets_[place(session)].forget(session);
  }
  /// In both roles.
  void forget(Key key) noexcept {
    forget(key, Role::prefill);
    forget(key, Role::decode);
  }

 private:
  /// A bijection of keys for each role, so different sessions stay different. Mixed twice: what enters the second round
  /// cannot be chosen without the seed.
  [[nodiscard]] std::uint64_t hash(Key key, Role role) const noexcept {
    const std::uint64_t seed = seeds_[role == Role::prefill ? 0 : 1];
    return SplitMix64::mix(SplitMix64::mix(static_cast<std::uint64_t>(key) ^ seed) + seed);
  }
  [[nodiscard]] std::size_t place(std::uint64_t session) const noexcept { return session & (sets_.size() - 1); }

  /// In ticks, towards the past, also before the epoch.
  template <class Clock, class Duration>
  [[nodiscard]] std::int64_t at(std::chrono::time_point<Clock, Duration> now) const noexcept {
    const std::int64_t moment = detail::nanoseconds_of(now);
    return moment / tick_ - (moment % tick_ < 0 ? 1 : 0);
  }

  Options options_;
  std::array<std::uint64_t, 2> seeds_;  // of the two roles
  std::int64_t tick_;                   // in nanoseconds
  std::vector<detail::SessionSet> sets_;
};

}  // namespace v0
}  // namespace pdroute
