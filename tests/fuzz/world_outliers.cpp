// SPDX-License-Identifier: Apache-2.0
// Time for those who keep failing, in the library and in the model.
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

/// The model knows `spared` as a phase; in it the ejection goes on.
bool is_out(const Life& life) {
  return life.probation.phase == EjectionPhase::ejected || life.probation.phase == EjectionPhase::spared;
}

}  // namespace

/// What follows from who else is there: called whenever something may have changed.
void World::settle(Role role) {
  if (!ejects_) return;
  const Lives& all = members(role);
  std::size_t full = 0;
  for (const LifePtr& life : all) full += life->serves_in_full() ? 1U : 0U;
  const bool panic = rules_.panic_threshold > 0 && 2 * full < all.size();
  for (const LifePtr& life : all) {
    ProbeBudget& probation = life->probation;
    if (is_out(*life)) probation.phase = panic ? EjectionPhase::spared : EjectionPhase::ejected;
    probation.bounded = probation.phase != EjectionPhase::none && full > 0 && !panic;
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
    ProbeBudget& probation = life->probation;
    if (life->draining || probation.phase == EjectionPhase::none) continue;
    probation.until = std::min(probation.until, now + 10 * second);
    const bool over = now >= probation.until;
    if (is_out(*life)) {
      if (!over) continue;
      probation.phase = EjectionPhase::probing;
      probation.until = now + 10 * second;
      probation.begun = life->begun;
      probation.completed = life->outcomes.completed;
      probation.others = life->leases;
      probation.probe = true;
      life->consecutive_failures = 0;
      continue;
    }
    probation.others = std::min(probation.others, life->leases);
    const bool tried = life->begun > probation.begun;
    if (!tried) {
      probation.completed = life->outcomes.completed;
      life->consecutive_failures = 0;
    }
    if (life->outcomes.completed > probation.completed || (over && life->consecutive_failures == 0)) {
      probation.phase = EjectionPhase::none;
      probation.since = now;
      ++tally_.taken_back;
    } else if (life->consecutive_failures == 0 && life->leases <= probation.others) {
      probation.probe = true;
    }
  }
  for (std::uint32_t row = 1000; row > 0; --row) {  // the longest first; no row is longer here
    for (const LifePtr& life : all) {
      ProbeBudget& probation = life->probation;
      if (std::min(life->consecutive_failures, 1000U) != row || life->draining || is_out(*life)) continue;
      if (probation.phase == EjectionPhase::none && row < rules_.consecutive_failures) continue;
      std::size_t out = 0;
      bool somebody_stays = false;
      for (const LifePtr& each : all) {
        out += is_out(*each) && !each->draining ? 1U : 0U;
        somebody_stays = somebody_stays || (each != life && each->serves_in_full());
      }
      if (!somebody_stays || out >= (all.size() < 2 ? 0 : std::max<std::size_t>(1, all.size() / 2))) {
        if (probation.phase == EjectionPhase::probing) {
          life->consecutive_failures = 0;
          probation.probe = true;
        }
        continue;
      }
      if (probation.phase == EjectionPhase::none && now - probation.since > 10 * second) probation.times = 0;
      probation.phase = EjectionPhase::ejected;
      probation.until = now + time_out[std::min(probation.times++, 3U)];
      life->consecutive_failures = 0;
      ++tally_.ejected;
    }
  }
  settle(role);
}

/// All requests on one endpoint end alike: it has crashed, or it has worked.
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

/// Now and then the caller's time steps back.
void World::advance_router() {
  if (!router_) return;
  if (draws_.one_in(2)) clock_.advance(std::chrono::seconds{draws_.below(6)});
  const auto now = clock_.now() - std::chrono::seconds{draws_.one_in(8) ? draws_.below(20) : 0};
  using Change = std::tuple<Role, std::string, EjectionPhase>;
  std::vector<Change> expected;
  if (ejects_) {
    for (const Role role : {Role::prefill, Role::decode}) {
      const auto kind = [](const Life& life) { return is_out(life) ? EjectionPhase::ejected : life.probation.phase; };
      std::vector<EjectionPhase> before;
      for (const LifePtr& life : members(role)) before.push_back(kind(*life));
      advance_role(role, now.time_since_epoch().count());
      for (std::size_t i = 0; i < before.size(); ++i) {
        const Life& life = *members(role)[i];
        if (kind(life) == before[i]) continue;
        expected.emplace_back(role, life.id, life.probation.phase);
        tally_.spared += life.probation.phase == EjectionPhase::spared ? 1U : 0U;
      }
    }
  }
  std::vector<Change> reported;
  for (const auto& change : router_->advance(now)) reported.emplace_back(change.role, change.id, change.phase);
  ensure(reported == expected, "others are ejected, probed or taken back");
}

}  // namespace fuzz
