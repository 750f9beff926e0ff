// SPDX-License-Identifier: Apache-2.0
// Changes the membership of the fuzzed router, in the library and in the model.
#include <algorithm>
#include <string>
#include <utility>

#include "fuzz/world.hpp"

namespace fuzz {

using pdroute::Capacity;
using pdroute::Health;
using pdroute::Intake;
using pdroute::Role;
using Rule = pdroute::ConfigError::Rule;

std::string World::draw_id() {
  std::string id = "e";
  return id.append(1, static_cast<char>('0' + draws_.below(7)));  // the seventh is never a member
}

Capacity World::draw_capacity(Role role) {
  Capacity capacity;
  if (!draws_.one_in(4)) capacity.requests = 1 + draws_.below(3);
  if (!draws_.one_in(3)) (role == Role::prefill ? capacity.tokens : capacity.kv_tokens) = 1 + draws_.below(12);
  return capacity;
}

/// Draws a list of some of the six ids, rotated. Now and then the list breaks a rule; `wrong` then names it.
std::vector<Payload> World::draw_list(std::optional<Rule>& wrong) {
  std::vector<Payload> list;
  list.reserve(keys_.size() + 1);
  const std::uint32_t start = draws_.below(6);
  const std::uint32_t chosen = draws_.below(64);
  for (std::uint32_t i = 0; i < keys_.size(); ++i) {
    const std::uint32_t which = (start + i) % 6;
    if ((chosen >> which & 1U) == 0) continue;
    if (draws_.one_in(4)) keys_[which] = draws_.below(3);
    Payload& payload = list.emplace_back(census_, std::string("e").append(1, static_cast<char>('0' + which)));
    payload.incarnation = keys_[which];
    payload.group = draws_.below(3);
    payload.stamp = ++stamps_;
    payload.capacity = {draw_capacity(Role::prefill), draw_capacity(Role::decode)};
  }
  if (list.empty() || !draws_.one_in(8)) return list;
  Payload& victim = list[draws_.below(static_cast<std::uint32_t>(list.size()))];
  switch (draws_.below(4)) {
    case 0:
      victim.id.clear();
      wrong = Rule::id_not_empty;
      break;
    case 1:
      list.push_back(victim);  // said twice, and so no fault, or of two lives
      if (draws_.one_in(2)) break;
      ++list.back().incarnation;
      wrong = Rule::id_unique;
      break;
    case 2:
      victim.capacity[place(Role::prefill)].requests = draws_.one_in(2) ? 0 : Capacity::max_requests + 1;
      victim.capacity[place(Role::decode)].requests = draws_.one_in(2) ? 0 : Capacity::max_requests + 1;
      wrong = Rule::capacity_in_range;
      break;
    default:
      victim.capacity[place(Role::prefill)].kv_tokens = 1;
      victim.capacity[place(Role::decode)].tokens = 1;
      wrong = Rule::capacity_counted;
  }
  return list;
}

/// Starts a new life in the model. The caller makes it a member.
LifePtr World::add(Role role, const Life& like) {
  auto life = std::make_shared<Life>(like);
  life->role = role;
  life->incarnation = ++incarnations_[place(role)];
  life->capacity = like.given[place(role)];
  life->listed = life->capacity;
  life->draining = false;
  life->left = false;
  life->leases = 0;
  life->demand = 0;
  life->outcomes = {};
  life->gate = {};
  life->gate.row_limit = ejects_ ? rules_.consecutive_failures : 0;
  life->ejection = {};
  life->arrivals.clear();
  lives_.push_back(life);
  return life;
}

/// The life takes over what a list says of it. It comes back if it had left for the other role.
void World::listed(Life& life, const Payload& payload) {
  life.group = payload.group;
  life.stamp = payload.stamp;
  life.given = payload.capacity;
  const Capacity& capacity = payload.capacity[place(life.role)];
  if (!(life.listed == capacity)) life.capacity = life.listed = capacity;
  if (std::exchange(life.left, false)) life.draining = false;
}

namespace {

/// Whether an entry of a list breaks a rule by itself.
bool is_at_fault(const Payload& payload, Role role) {
  const Capacity& capacity = payload.capacity[place(role)];
  return payload.id.empty() || capacity.requests == 0U || capacity.requests > Capacity::max_requests ||
         (role == Role::prefill ? capacity.kv_tokens : capacity.tokens);
}

/// The life with this id and key, taken out of `lives`; null if there is none.
LifePtr take_out(Lives& lives, const std::string& id, std::uint32_t key) {
  const auto found =
      std::find_if(lives.begin(), lives.end(), [&](const LifePtr& life) { return life->id == id && life->key == key; });
  if (found == lives.end()) return nullptr;
  LifePtr life = *found;
  lives.erase(found);
  return life;
}

}  // namespace

/// Does in the model what `assign` does with a list of which at least one entry is good, or which is empty.
void World::assigned(Role role, const std::vector<Payload>& list) {
  std::vector<const Payload*> good;
  const auto entry = [&](const std::string& id) {
    const auto found = std::find_if(good.begin(), good.end(), [&](const Payload* each) { return each->id == id; });
    return found == good.end() ? nullptr : *found;
  };
  std::vector<std::string> untouched;
  for (const Payload& payload : list) {
    if (is_at_fault(payload, role)) {
      untouched.push_back(payload.id);
    } else if (entry(payload.id) == nullptr) {
      good.push_back(&payload);
    }
  }
  const Lives before = members(role);
  Lives& departed = departed_[place(role)];
  Lives next;
  for (const LifePtr& life : before) {
    const Payload* const named = entry(life->id);
    if (named != nullptr && named->incarnation == life->key) {
      listed(*life, *named);
      next.push_back(life);
    } else if (named == nullptr && std::count(untouched.begin(), untouched.end(), life->id) > 0) {
      next.push_back(life);
    } else {
      departed.push_back(life);
    }
  }
  const Lives kept = next;
  for (const Payload* payload : good) {
    if (find(kept, payload->id)) continue;
    if (LifePtr back = take_out(departed, payload->id, payload->incarnation)) {
      ++tally_.back;
      listed(*back, *payload);
      next.push_back(back);
      continue;
    }
    Life life;
    life.id = payload->id;
    life.key = payload->incarnation;
    life.group = payload->group;
    life.stamp = payload->stamp;
    life.given = payload->capacity;
    if (const LifePtr other_role = find(before, payload->id); other_role && other_role->left) {
      life.health = other_role->health;
      life.intake = other_role->intake;
    }
    next.push_back(add(role, life));
  }
  members(role) = next;
}

void World::assign() {
  if (!router_) return;
  const Role role = draw_role();
  std::optional<Rule> wrong;
  const auto list = draw_list(wrong);
  const auto report = router_->assign(role, list);
  const bool all_wrong = wrong && list.size() == 1;
  ensure(report.has_value() == !all_wrong, "a list without a good entry is taken, or another one refused");
  if (!report) return ensure(report.error().rule == wrong, "a list is refused by another rule");
  ensure(report->refused.size() == (wrong ? 1 : 0), "a wrong entry is taken, or a good one refused");
  for (const auto& error : report->refused) {
    ++tally_.entries_refused;
    ensure(error.rule == wrong, "an entry is refused by another rule");
  }

  const Lives before = members(role);
  assigned(role, list);
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<std::string> kept;
  std::vector<std::string> seen;
  for (const Payload& payload : list) {
    if (is_at_fault(payload, role) || std::count(seen.begin(), seen.end(), payload.id) > 0) continue;
    seen.push_back(payload.id);
    const LifePtr life = find(members(role), payload.id);
    (std::count(before.begin(), before.end(), life) > 0 ? kept : added).push_back(payload.id);
  }
  for (const LifePtr& life : before) {
    if (std::count(members(role).begin(), members(role).end(), life) == 0) removed.push_back(life->id);
  }
  ensure(report->added == added && report->removed == removed && report->kept == kept, "the report of assign differs");
  ensure(report->changed == kept && report->deferred.empty(), "a description is not taken over");
}

void World::set_health() {
  if (!router_) return;
  const std::string id = draw_id();
  const Health health = draws_.one_in(3) ? Health::unhealthy : Health::healthy;
  bool known = false;
  for (const Lives& role : members_) {
    if (const LifePtr life = find(role, id)) {
      life->health = health;
      known = true;
    }
  }
  ensure((router_->set_health(id, health) > 0) == known, "set_health knows other ids");
}

void World::set_intake() {
  if (!router_) return;
  const Role role = draw_role();
  const std::string id = draw_id();
  const Intake intake = draws_.one_in(3) ? Intake::paused : draws_.one_in(6) ? Intake::bound_only : Intake::accepting;
  const LifePtr life = find(members(role), id);
  if (life) life->intake = intake;
  ensure(router_->set_intake(role, id, intake) == (life != nullptr), "set_intake knows other ids");
}

void World::drain() {
  if (!router_) return;
  const Role role = draw_role();
  const std::string id = draw_id();
  const LifePtr life = find(members(role), id);
  if (life) {
    life->draining = true;
    life->left = false;  // final, so no list takes it back
  }
  ensure(router_->drain(role, id) == (life != nullptr), "drain knows other ids");
}

void World::change_role() {
  using pdroute::LastEndpoint;
  using pdroute::RoleChange;
  if (!router_) return;
  const Role to = draw_role();
  const std::string id = draw_id();
  const LastEndpoint last = draws_.one_in(2) ? LastEndpoint::take : LastEndpoint::keep;
  const LifePtr from = find(members(other(to)), id);
  const LifePtr there = find(members(to), id);
  RoleChange expected = RoleChange::done;
  if (there && !there->draining) {
    expected = RoleChange::already_there;
  } else if (!from) {
    expected = RoleChange::no_such_endpoint;
  } else if (last == LastEndpoint::keep && from->eligible() && eligible(other(to)).size() == 1) {
    expected = RoleChange::last_of_its_role;
  }
  ensure(router_->change_role(id, to, last) == expected, "the result of change_role differs");
  if (expected != RoleChange::done) return;
  ++tally_.role_changes;
  Lives& departed = departed_[place(to)];
  std::erase(members(to), there);
  if (there) departed.push_back(there);
  LifePtr joined = take_out(departed, id, from->key);
  if (joined && (joined->left || !joined->draining)) {
    ++tally_.back;
    joined->draining = joined->left = false;
    joined->group = from->group;
    joined->stamp = from->stamp;
    joined->given = from->given;
    const Capacity& capacity = from->given[place(to)];
    if (!(joined->listed == capacity)) joined->capacity = joined->listed = capacity;
    joined->health = from->health;
    joined->intake = from->intake;
  } else {
    joined = add(to, *from);  // a drain is final, so a life that drained does not come back
  }
  members(to).push_back(joined);
  from->draining = true;
  from->left = true;
}

void World::set_capacity() {
  if (!router_) return;
  const Role role = draw_role();
  const std::string id = draw_id();
  Capacity capacity = draw_capacity(role);
  std::optional<Rule> wrong;
  const LifePtr life = find(members(role), id);
  if (!life) wrong = Rule::id_known;
  switch (draws_.below(8)) {
    case 5:
      (role == Role::prefill ? capacity.kv_tokens : capacity.tokens) = 5;
      wrong = Rule::capacity_counted;
      break;
    case 6:
      capacity.requests = draws_.one_in(2) ? 0 : Capacity::max_requests + 1;
      wrong = Rule::capacity_in_range;
      break;
    case 7:
      (role == Role::prefill ? capacity.tokens : capacity.kv_tokens) = 0;
      wrong = Rule::capacity_in_range;
      break;
    default: break;
  }
  const auto error = router_->set_capacity(role, id, capacity);
  ensure(error.has_value() == wrong.has_value(), "a wrong capacity is taken, or a good one refused");
  if (error) return ensure(error->rule == wrong, "a capacity is refused by another rule");
  life->capacity = capacity;
}

}  // namespace fuzz
