// SPDX-License-Identifier: Apache-2.0
// Outlier detection in the fuzzed world: endpoints that keep failing are ejected, probed and taken back.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
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
  std::size_t counted = 0;
  for (const LifePtr& life : all) {
    full += life->serves_in_full() ? 1U : 0U;
    counted += life->counts() ? 1U : 0U;
  }
  const bool panic = rules_.panic_threshold > 0 && 2 * full < counted;
  for (const LifePtr& life : all) {
    Ejection& ejection = life->ejection;
    if (is_out(*life)) ejection.phase = panic ? EjectionPhase::spared : EjectionPhase::ejected;
    life->gate.let_everybody_in(panic || (full == 0 && ejection.phase != EjectionPhase::none));
  }
}
void World::settle() {
  settle(Role::prefill);
  settle(Role::decode);
}

/// The rows of all engines, by id, over both roles.
std::map<std::string, EngineRow> World::engine_rows() {
  std::map<std::string, EngineRow> rows;
  for (const Role role : {Role::prefill, Role::decode}) {
    for (const LifePtr& life : members(role)) {
      if (life->draining) continue;
      const Ejection& ejection = life->ejection;
      EngineRow& row = rows[life->id];
      ++row.endpoints;
      row.failures += life->gate.row - std::min(life->gate.row, ejection.row_before);
      row.completed = row.completed || life->outcomes.completed > ejection.completed_before;
      row.failing = row.failing || life->gate.row > ejection.row_before || ejection.phase != EjectionPhase::none;
    }
  }
  return rows;
}

void World::advance_role(Role role, std::int64_t now, const std::map<std::string, EngineRow>& rows) {
  constexpr std::int64_t second = 1'000'000'000;
  constexpr std::array<std::int64_t, 4> time_out{2 * second, 4 * second, 8 * second, 10 * second};
  const Lives& all = members(role);
  std::multimap<std::uint32_t, LifePtr, std::greater<>> failing;  // by what speaks against it, equal ones in order
  const auto probe = [&](Life& life) {
    life.ejection.phase = EjectionPhase::probing;
    life.ejection.until = now + 10 * second;
    life.gate.probe();
  };
  for (const LifePtr& life : all) {
    Ejection& ejection = life->ejection;
    Gate& gate = life->gate;
    if (life->draining) continue;
    gate.step();
    ejection.until = std::min(ejection.until, now + 10 * second);
    ejection.since = std::min(ejection.since, now);  // the time may have stepped back
    const EngineRow& engine = rows.at(life->id);
    const bool full_row = engine.endpoints > 1 && !engine.completed && engine.failures >= rules_.consecutive_failures;
    if (engine.endpoints > 1 && engine.completed) {
      ejection.completed_before = life->outcomes.completed;
      ejection.row_before = gate.row;
    } else if (!engine.failing) {
      ejection.completed_before = life->outcomes.completed;
      ejection.row_before = std::min(ejection.row_before, gate.row);
    }
    if (is_out(*life)) {
      if (now >= ejection.until) probe(*life);
    } else if (ejection.phase == EjectionPhase::none) {
      const std::uint32_t evidence = std::max(gate.tripped() ? gate.row : 0, full_row ? engine.failures : 0);
      if (evidence > 0) failing.emplace(evidence, life);
    } else if (gate.proved) {
      ejection.phase = EjectionPhase::none;
      ejection.since = now;
      gate.serve();
      ejection.row_before = 0;
      ++tally_.taken_back;
    } else {
      if (!gate.tried && gate.running.count(gate.period) == 0) ejection.until = now + 10 * second;
      if (gate.failed || now >= ejection.until) failing.emplace(1, life);
    }
  }
  for (const auto& [row, life] : failing) {
    Ejection& ejection = life->ejection;
    std::size_t out = 0;
    std::size_t counted = 0;
    bool another_serves = false;
    for (const LifePtr& each : all) {
      counted += each->counts() ? 1U : 0U;
      out += is_out(*each) && each->available() ? 1U : 0U;
      another_serves = another_serves || (each != life && each->serves_in_full());
    }
    if (!another_serves || out >= (counted < 2 ? 0 : std::max<std::size_t>(1, counted / 2))) {
      if (ejection.phase == EjectionPhase::probing) {
        probe(*life);
      } else {
        life->gate.serve();
        ejection.row_before = 0;
      }
      continue;
    }
    if (ejection.phase == EjectionPhase::none && now - ejection.since > 10 * second) ejection.times = 0;
    ejection.phase = EjectionPhase::ejected;
    ejection.until = now + time_out[std::min(ejection.times++, 3U)];
    ejection.row_before = 0;
    life->gate.hold();
    ++tally_.ejected;
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
    const auto rows = engine_rows();
    for (const Role role : {Role::prefill, Role::decode}) {
      const auto kind = [](const Life& life) { return is_out(life) ? EjectionPhase::ejected : life.ejection.phase; };
      std::vector<EjectionPhase> before;
      for (const LifePtr& life : members(role)) before.push_back(kind(*life));
      advance_role(role, now.time_since_epoch().count(), rows);
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
