// SPDX-License-Identifier: Apache-2.0
// Outlier detection in the fuzzed world: endpoints that keep failing are ejected, probed and taken back.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "fuzz/world.hpp"
#include "fuzz/world_access.hpp"

namespace fuzz {

using pdroute::EjectionPhase;
using pdroute::Role;

namespace {

/// Whether a life is ejected. `spared` counts, too: the panic threshold makes the endpoint eligible, but its ejection
/// goes on.
bool is_out(const Life& life) {
  return life.ejection.phase == EjectionPhase::ejected || life.ejection.phase == EjectionPhase::spared;
}

}  // namespace

/// Updates what follows from the other members of the role: the panic threshold and the bound on probes. Called
/// whenever something may have changed.
void World::settle(Role role) {
  if (!ejects_) return;
  const Lives& all = members(role);
  std::size_t full = 0;
  for (const LifePtr& life : all) full += life->serves_in_full() ? 1U : 0U;
  const bool panic = rules_.panic_threshold > 0 && 2 * full < all.size();
  for (const LifePtr& life : all) {
    Ejection& ejection = life->ejection;
    if (is_out(*life)) ejection.phase = panic ? EjectionPhase::spared : EjectionPhase::ejected;
    ejection.bounded = ejection.phase != EjectionPhase::none && full > 0 && !panic;
  }
}
void World::settle() {
  settle(Role::prefill);
  settle(Role::decode);
}

void World::advance_role(Role role, std::int64_t now) {
  constexpr std::int64_t second = 1'000'000'000;
  constexpr std::array<std::int64_t, 4> time_out{2 * second, 4 * second, 8 * second, 10 * second};
  const Lives& all = members(role);
  for (const LifePtr& life : all) {
    Ejection& ejection = life->ejection;
    if (life->draining || ejection.phase == EjectionPhase::none) continue;
    ejection.until = std::min(ejection.until, now + 10 * second);
    const bool over = now >= ejection.until;
    if (is_out(*life)) {
      if (!over) continue;
      ejection.phase = EjectionPhase::probing;
      ejection.until = now + 10 * second;
      ejection.begun = life->begun;
      ejection.completed = life->outcomes.completed;
      ejection.others = life->leases;
      ejection.probe = true;
      life->consecutive_failures = 0;
      continue;
    }
    ejection.others = std::min(ejection.others, life->leases);
    const bool tried = life->begun > ejection.begun;
    if (!tried) {
      ejection.completed = life->outcomes.completed;
      life->consecutive_failures = 0;
    }
    if (life->outcomes.completed > ejection.completed || (over && life->consecutive_failures == 0)) {
      ejection.phase = EjectionPhase::none;
      ejection.since = now;
      ++tally_.taken_back;
    } else if (life->consecutive_failures == 0 && life->leases <= ejection.others) {
      ejection.probe = true;
    }
  }
  for (std::uint32_t row = 1000; row > 0; --row) {  // the longest row of failures first; none is longer than this here
    for (const LifePtr& life : all) {
      Ejection& ejection = life->ejection;
      if (std::min(life->consecutive_failures, 1000U) != row || life->draining || is_out(*life)) continue;
      if (ejection.phase == EjectionPhase::none && row < rules_.consecutive_failures) continue;
      std::size_t out = 0;
      bool another_serves = false;
      for (const LifePtr& each : all) {
        out += is_out(*each) && !each->draining ? 1U : 0U;
        another_serves = another_serves || (each != life && each->serves_in_full());
      }
      if (!another_serves || out >= (all.size() < 2 ? 0 : std::max<std::size_t>(1, all.size() / 2))) {
        if (ejection.phase == EjectionPhase::probing) {
          life->consecutive_failures = 0;
          ejection.probe = true;
        }
        continue;
      }
      if (ejection.phase == EjectionPhase::none && now - ejection.since > 10 * second) ejection.times = 0;
      ejection.phase = EjectionPhase::ejected;
      ejection.until = now + time_out[std::min(ejection.times++, 3U)];
      life->consecutive_failures = 0;
      ++tally_.ejected;
    }
  }
  settle(role);
}

/// All requests on one endpoint end in the same way: they complete, or the endpoint has crashed.
void World::end_all() {
  const Role role = draw_role();
  if (members(role).empty()) return;
  const LifePtr life = members(role)[draws_.below(static_cast<std::uint32_t>(members(role).size()))];
  const End how = draws_.one_in(2) ? End::completed : End::bad_response;
  for (Open& open : open_) {
    with_half(open, role, [&](auto& lease, Stake& stake) {
      if (stake.life != life) return;
      end_lease(lease, how);
      end_stake(stake, how);
    });
  }
}

/// Calls `advance` on the router and on the model. Now and then the caller's time steps back.
void World::advance_router() {
  if (!router_) return;
  if (draws_.one_in(2)) clock_.advance(std::chrono::seconds{draws_.below(6)});
  const auto now = clock_.now() - std::chrono::seconds{draws_.one_in(8) ? draws_.below(20) : 0};
  using Change = std::tuple<Role, std::string, EjectionPhase>;
  std::vector<Change> expected;
  if (ejects_) {
    for (const Role role : {Role::prefill, Role::decode}) {
      const auto kind = [](const Life& life) { return is_out(life) ? EjectionPhase::ejected : life.ejection.phase; };
      std::vector<EjectionPhase> before;
      for (const LifePtr& life : members(role)) before.push_back(kind(*life));
      advance_role(role, now.time_since_epoch().count());
      for (std::size_t i = 0; i < before.size(); ++i) {
        const Life& life = *members(role)[i];
        if (kind(life) == before[i]) continue;
        expected.emplace_back(role, life.id, life.ejection.phase);
        tally_.spared += life.ejection.phase == EjectionPhase::spared ? 1U : 0U;
      }
    }
  }
  std::vector<Change> reported;
  for (const auto& change : router_->advance(now)) reported.emplace_back(change.role, change.id, change.phase);
  ensure(reported == expected, "the endpoints that advance ejects, probes or takes back differ");
}

}  // namespace fuzz
