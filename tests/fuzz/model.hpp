// SPDX-License-Identifier: Apache-2.0
// The model of the fuzzed router: the library's rules written a second time, as simply as possible.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/job.hpp"

namespace fuzz {

/// How a lease ends. The failures come first, in the order of `pdroute::FailureKind`.
enum class End : std::uint8_t { unreachable, timed_out, bad_response, overloaded, completed, cancelled, rejected };

/// The period of a request: none if it began when its endpoint had neither failed nor pushed back.
using Mark = std::optional<std::uint64_t>;

/// Which requests decide about a life: the table of `AdmissionState`, with numbers that are never used again. It does
/// not know how many requests a back-off refuses: the model takes each choice of such an endpoint.
struct Gate {
  enum class Mode : std::uint8_t { open, watching, backing_off, held, probing };

  std::uint32_t row_limit = 0;
  Mode mode = Mode::open;
  std::uint64_t period = 0;
  std::uint64_t periods = 0;
  std::uint32_t row = 0;
  bool probe_left = false;  // of one
  bool everybody = false;
  bool proved = false;
  bool failed = false;
  bool tried = false;
  bool older = false;
  std::uint32_t unmarked = 0;                        // running requests without a mark
  std::map<std::uint64_t, std::uint32_t> running{};  // those with a mark, by period

  [[nodiscard]] bool tripped() const { return mode == Mode::held && row > 0; }
  [[nodiscard]] bool held_back() const { return !everybody && (tripped() || mode == Mode::backing_off); }
  [[nodiscard]] bool refuses() const { return mode == Mode::probing && !everybody && !probe_left; }

  Mark begin() {
    if (mode == Mode::open) {
      ++unmarked;
      return std::nullopt;
    }
    if (mode == Mode::probing && !everybody) probe_left = false;
    ++running[period];
    return period;
  }
  void end(Mark mark, End how) {
    const bool present = mark == Mark{period} && mode != Mode::open;
    const bool failure = how == End::unreachable || how == End::timed_out || how == End::bad_response;
    const bool of_now = mode == Mode::open ? !mark : present;
    if (failure) {
      if (mode == Mode::probing) {
        if (present) {
          failed = true;
          probe_left = false;
        }
      } else if (mode == Mode::held) {
        if (present && row > 0) ++row;
      } else if (row_limit == 0) {
        if (present) open();
      } else if (of_now || (mode == Mode::backing_off && !mark && row == 0)) {
        if (row == 0) begin_period();
        ++row;
        mode = row >= row_limit ? Mode::held : Mode::watching;
      }
    } else if (how == End::overloaded) {
      if (of_now && (mode == Mode::open || mode == Mode::watching)) {
        if (row == 0) begin_period();
        mode = Mode::backing_off;
      }
      tried = tried || (present && mode == Mode::probing);
    } else if (present && how == End::completed) {
      if (mode == Mode::probing) proved = true;
      if (mode == Mode::watching || mode == Mode::backing_off) open();
    } else if (present) {  // cancelled or rejected
      if (mode == Mode::backing_off) end_back_off();
      if (mode == Mode::probing) {
        tried = true;
        if (!everybody && !failed) probe_left = true;
      }
    }
    if (!mark) {
      --unmarked;
    } else if (--running[*mark] == 0) {
      running.erase(*mark);
    }
  }
  void give_tokens(Mark mark) {
    if (mark != Mark{period}) return;
    if (mode == Mode::probing) proved = true;
    if (mode == Mode::backing_off) end_back_off();
  }

  // A step of time, and what the members decide together.
  void step() {
    if (mode == Mode::probing && !failed && !proved && running.count(period) == 0) probe_left = true;
    if (!older || unmarked > 0) return;
    older = false;
    if (mode == Mode::watching && row == 0) open();
  }
  void hold() {
    open();
    mode = Mode::held;
  }
  void probe() {
    open();
    begin_period();
    mode = Mode::probing;
    probe_left = true;
  }
  void serve() {
    older = unmarked > 0;
    begin_period();
    open();
  }
  void let_everybody_in(bool all) {
    if (everybody == all) return;
    everybody = all;
    if (all || mode != Mode::probing || failed) return;
    const bool before = proved;
    begin_period();
    proved = before;
    probe_left = true;
  }

 private:
  void open() {
    mode = older ? Mode::watching : Mode::open;
    row = 0;
    probe_left = proved = failed = tried = false;
  }
  void end_back_off() {
    if (row > 0) {
      mode = Mode::watching;
    } else {
      open();
    }
  }
  void begin_period() {
    proved = failed = false;
    if (running.size() - running.count(period) < 7) period = ++periods;
  }
};

/// Outlier detection for one life. Times are in the clock's nanoseconds.
struct Ejection {
  pdroute::EjectionPhase phase = pdroute::EjectionPhase::none;
  std::uint32_t times = 0;
  std::int64_t until = 0;
  std::int64_t since = 0;
  // When the engine was last seen to have completed a request, or not to have failed:
  std::uint32_t row_before = 0;        ///< its row of failures
  std::uint64_t completed_before = 0;  ///< its completed requests
};

/// The failures in a row of an engine that plays both roles.
struct EngineRow {
  std::uint32_t endpoints = 0;
  std::uint32_t failures = 0;
  bool completed = false;
  bool failing = false;  ///< an endpoint of it has failed, or is out
};

/// One life of an endpoint in one role. The owners of a `Life` are the owners that the library's copy of the payload
/// should have: the membership, which remembers departed lives, each lease, and each dispatcher that has seen it in its
/// last snapshot. So each life has at least one living payload, and nothing else has any.
struct Life {
  pdroute::Role role = pdroute::Role::prefill;
  std::string id;
  std::uint32_t key = 0;
  std::uint32_t group = 0;
  std::uint64_t stamp = 0;  ///< of the newest description
  std::uint64_t incarnation = 0;
  pdroute::EndpointKey name = {};               ///< as the router reports it
  std::array<pdroute::Capacity, 2> given = {};  ///< the capacity in the payload, by role
  pdroute::Capacity listed = {};                ///< as the last list said
  pdroute::Capacity capacity = {};
  pdroute::Health health = pdroute::Health::healthy;
  pdroute::Intake intake = pdroute::Intake::accepting;
  bool draining = false;
  bool left = false;  ///< it changed to the other role; a list that names it takes it back
  std::uint32_t leases = 0;
  std::uint64_t demand = 0;
  pdroute::Outcomes outcomes = {};
  std::vector<std::int64_t> arrivals = {};  ///< in seconds
  Gate gate = {};
  Ejection ejection = {};

  [[nodiscard]] bool available() const {
    return health == pdroute::Health::healthy && intake == pdroute::Intake::accepting && !draining;
  }
  /// Whether it takes bound sessions only, and nothing else rules it out. Snapshots hold it; these policies see none.
  [[nodiscard]] bool bound_only() const {
    return health == pdroute::Health::healthy && intake == pdroute::Intake::bound_only && !draining &&
           ejection.phase != pdroute::EjectionPhase::ejected;
  }
  [[nodiscard]] bool eligible() const { return available() && ejection.phase != pdroute::EjectionPhase::ejected; }
  [[nodiscard]] bool serves_in_full() const { return available() && ejection.phase == pdroute::EjectionPhase::none; }
  /// Whether it counts for shares of members.
  [[nodiscard]] bool counts() const { return intake == pdroute::Intake::accepting && !draining; }
  [[nodiscard]] pdroute::EjectionPhase phase() const {
    return ejection.phase == pdroute::EjectionPhase::none && gate.tripped() ? pdroute::EjectionPhase::tripped
                                                                            : ejection.phase;
  }
  [[nodiscard]] std::uint64_t limit() const {
    const auto& given_limit = role == pdroute::Role::prefill ? capacity.tokens : capacity.kv_tokens;
    return given_limit.value_or(std::numeric_limits<std::uint64_t>::max());
  }
  [[nodiscard]] bool could_hold(const Job& job) const { return job.amount(group, role) <= limit(); }
  [[nodiscard]] bool has_room(const Job& job) const {
    const std::uint64_t amount = job.amount(group, role);
    return leases < capacity.requests.value_or(pdroute::Capacity::max_requests) && !gate.refuses() &&
           demand <= limit() && amount <= limit() - demand;
  }
};
using LifePtr = std::shared_ptr<Life>;
using Lives = std::vector<LifePtr>;

enum class Fate : std::uint8_t { unavailable, excluded, disallowed, incompatible, too_large, full, has_room };

/// Whether a member can serve one request, or the first filter that removes it. `partner` is the endpoint that the
/// first leg chose, or null.
inline Fate fate(const Life& life, const Wish& wish, const Job& job, const Life* partner) {
  const Wish::Leg& leg = wish.leg[place(life.role)];
  if (!life.eligible()) return Fate::unavailable;
  if (std::any_of(leg.exclude.begin(), leg.exclude.end(),
                  [&](const pdroute::FailedEndpoint& failed) { return failed.key == life.name; }))
    return Fate::excluded;
  if (leg.allowed && std::count(leg.allowed->begin(), leg.allowed->end(), std::string_view{life.id}) == 0)
    return Fate::disallowed;
  if (leg.groups && (*leg.groups >> life.group & 1U) == 0) return Fate::disallowed;
  if (partner != nullptr) {
    const Life& prefill = life.role == pdroute::Role::prefill ? life : *partner;
    const Life& decode = life.role == pdroute::Role::prefill ? *partner : life;
    if (!wish.compatible(prefill.group, decode.group)) return Fate::incompatible;
  }
  if (life.has_room(job)) return Fate::has_room;
  return life.could_hold(job) ? Fate::full : Fate::too_large;
}

/// Whether a role with these members should refuse the request, and with exactly this `reason`.
inline bool explains(const pdroute::NoEndpoint& reason, const Lives& members, const Wish& wish, const Job& job,
                     const Life* partner) {
  pdroute::NoEndpoint expected{.role = reason.role, .endpoints = static_cast<std::uint32_t>(members.size())};
  std::uint32_t room = 0;
  std::uint32_t tripped = 0;
  std::uint32_t backing_off = 0;
  for (const LifePtr& life : members) {
    switch (fate(*life, wish, job, partner)) {
      case Fate::unavailable:
        ++(life->health != pdroute::Health::healthy  ? expected.unhealthy
           : life->intake == pdroute::Intake::paused ? expected.paused
           : life->draining                          ? expected.draining
           : life->bound_only()                      ? expected.bound_only
                                                     : expected.ejected);
        break;
      case Fate::excluded: ++expected.excluded; break;
      case Fate::disallowed: ++expected.disallowed; break;
      case Fate::incompatible: ++expected.incompatible; break;
      case Fate::too_large: ++expected.too_large; break;
      case Fate::full: ++expected.full; break;
      case Fate::has_room:
        ++room;
        if (life->gate.held_back()) ++(life->gate.tripped() ? tripped : backing_off);
        break;
    }
  }
  const bool declines = job.answer[place(reason.role)] != Job::Answer::choose;
  if (declines) {  // endpoints that are held back may not have been shown to the policy
    const auto held = [&room](std::uint32_t counted, std::uint32_t& known, std::uint32_t most) {
      const std::uint32_t more = counted > known ? std::min(counted - known, most) : 0;
      known += more;
      room -= more;
    };
    held(reason.ejected, expected.ejected, tripped);
    held(reason.full, expected.full, backing_off);
  }
  const bool declined_correct = declines ? reason.declined == room : reason.declined == 0 && room == 0;
  return declined_correct && reason.full == expected.full && reason.too_large == expected.too_large &&
         reason.endpoints == expected.endpoints && reason.unhealthy == expected.unhealthy &&
         reason.paused == expected.paused && reason.ejected == expected.ejected &&
         reason.draining == expected.draining && reason.bound_only == expected.bound_only &&
         reason.excluded == expected.excluded && reason.disallowed == expected.disallowed &&
         reason.incompatible == expected.incompatible;
}

inline bool adds_up(const pdroute::NoEndpoint& reason) {
  std::uint64_t sum = 0;
  reason.each_reason([&](const char* /*name*/, std::uint32_t count) { sum += count; });
  return sum == reason.endpoints;
}

inline std::uint64_t& count_of(pdroute::Outcomes& outcomes, End end) {
  switch (end) {
    case End::unreachable: return outcomes.unreachable;
    case End::timed_out: return outcomes.timed_out;
    case End::bad_response: return outcomes.bad_response;
    case End::overloaded: return outcomes.overloaded;
    case End::completed: return outcomes.completed;
    case End::rejected: return outcomes.rejected;
    case End::cancelled: break;
  }
  return outcomes.cancelled;
}

/// Ends a lease of the library in the given way.
template <class Slot>
void end_lease(pdroute::Lease<Slot>& lease, End how) {
  if (how == End::completed) {
    lease.complete();
  } else if (how == End::cancelled) {
    lease = {};
  } else if (how == End::rejected) {
    lease.reject();
  } else {
    lease.fail(static_cast<pdroute::FailureKind>(how));
  }
}

}  // namespace fuzz
