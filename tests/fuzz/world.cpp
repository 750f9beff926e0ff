// SPDX-License-Identifier: Apache-2.0
// Leases, lease ids, dispatchers and routers in the fuzzed world, and the comparison after each action.
#include "fuzz/world.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "fuzz/world_access.hpp"

namespace fuzz {

using pdroute::Role;

World::World(Bytes draws) : draws_(draws) {
  start();
  compare();
}
World::~World() = default;

bool World::step() {
  if (draws_.empty() || !violation_.empty()) return false;
  ++actions_;
  const std::uint32_t action = draws_.below(80);
  const auto run = [&](std::string_view name, auto&& act) {
    action_ = name;
    act();
  };
  if (action < 14) {
    run("route", [&] { choose(Legs::both); });
  } else if (action < 17) {
    run("prefill", [&] { choose(Legs::prefill); });
  } else if (action < 20) {
    run("decode", [&] { choose(Legs::decode); });
  } else if (action < 30) {
    run("release", [&] { release(); });
  } else if (action < 34) {
    run("complete", [&] { complete(); });
  } else if (action < 36) {
    run("progress", [&] { progress(); });
  } else if (action < 40) {
    run("detach", [&] { detach(); });
  } else if (action < 44) {
    run("adopt", [&] { adopt(); });
  } else if (action < 45) {
    run("forge", [&] { forge(); });
  } else if (action < 47) {
    run("advance the clock", [&] { advance_clock(); });
  } else if (action < 50) {
    run("assign", [&] { assign(); });
  } else if (action < 53) {
    run("set_health", [&] { set_health(); });
  } else if (action < 55) {
    run("set_intake", [&] { set_intake(); });
  } else if (action < 56) {
    run("drain", [&] { drain(); });
  } else if (action < 58) {
    run("change_role", [&] { change_role(); });
  } else if (action < 60) {
    run("set_capacity", [&] { set_capacity(); });
  } else if (action < 63) {
    run("dispatchers", [&] { manage_loops(); });
  } else if (action < 69) {
    run("end all of one", [&] { end_all(); });
  } else if (action < 79) {
    run("advance", [&] { advance_router(); });
  } else {
    run("drop the router", [&] { drop_router(); });
  }
  settle();
  compare();
  return violation_.empty();
}

void World::finish() {
  action_ = "finish";
  const auto drop_leases = [&] { open_.clear(); };
  const auto drop_loops = [&] { loops_.clear(); };
  const auto drop_core = [&] { router_.reset(); };
  const bool leases_first = draws_.one_in(2);
  if (leases_first) drop_leases();
  if (draws_.one_in(2)) {
    drop_loops();
    drop_core();
  } else {
    drop_core();
    drop_loops();
  }
  for (Detached& lease : detached_) lease.stake = {};
  members_ = {};
  departed_ = {};
  if (!leases_first) {
    compare();
    drop_leases();
  }
  compare();
  ensure(census_.alive() == 0, "payloads are left over");
}

void World::ensure(bool good, std::string_view what) {
  if (good || !violation_.empty()) return;
  violation_.append(what).append(", after action ").append(std::to_string(actions_)).append(": ").append(action_);
}

void World::start() {
  ++tally_.cores;
  detached_.clear();
  incarnations_ = {};
  refusals_ = {};
  departed_ = {};
  std::optional<pdroute::ConfigError::Rule> wrong_prefill;
  std::optional<pdroute::ConfigError::Rule> wrong_decode;
  const auto prefill = draw_list(wrong_prefill);
  const auto decode = draw_list(wrong_decode);
  first_ = draw_role();
  ejects_ = !draws_.one_in(4);
  rules_.consecutive_failures = 1 + draws_.below(2);
  rules_.panic_threshold = draws_.one_in(2) ? 0 : 0.5;
  const auto wrong = wrong_prefill ? wrong_prefill : wrong_decode;
  auto created =
      Router::create({.prefill = prefill,
                      .decode = decode,
                      .decode_policy = {{{.cost = {.window = window}}}},
                      .clock = clock_,
                      .seed = 7,
                      .first = first_,
                      .detached_leases = 4,
                      .outlier_detection = ejects_ ? rules_ : pdroute::OutlierDetection{.consecutive_failures = 0}});
  ensure(created.has_value() == !wrong, "wrong options are taken, or good ones refused");
  if (created) {
    router_.emplace(std::move(*created));
    assigned(Role::prefill, prefill);
    assigned(Role::decode, decode);
  } else {
    ensure(created.error().rule == wrong, "the options are refused by another rule");
    router_.emplace(Router::create({.clock = clock_, .first = first_, .detached_leases = 4}).value());
    ejects_ = false;
  }
}

void World::end_stake(Stake& stake, End how) {
  if (!stake.life) return;
  --stake.life->leases;
  stake.life->demand -= stake.amount;
  ++count_of(stake.life->outcomes, how);
  stake.life->gate.end(stake.mark, how);
  stake = {};
}

void World::release() {
  if (open_.empty()) return;
  const auto at = draws_.below(static_cast<std::uint32_t>(open_.size()));
  const auto how = static_cast<End>(draws_.below(7));
  Open& open = open_[at];
  const Role role = draw_role();
  with_half(open, role, [&](auto& lease, Stake& stake) {
    end_lease(lease, how);
    ensure(!lease, "a lease that has ended holds a place");
    end_stake(stake, how);
  });
  if (draws_.one_in(2)) {  // the other lease is dropped, even if it still runs
    end_stake(open.stake[place(other(role))], End::cancelled);
    open_.erase(open_.begin() + at);
    for (Open& rest : open_) ensure(!rest.route.prefill == !rest.stake[0].life, "moving a lease loses it");
  }
}

void World::complete() {
  if (open_.empty()) return;
  Open& open = open_[draws_.below(static_cast<std::uint32_t>(open_.size()))];
  const bool whole = draws_.one_in(2);
  if (whole) {
    open.route.complete();
    end_stake(open.stake[place(Role::decode)], End::completed);
  } else {
    open.route.first_token();
    const Stake& decode = open.stake[place(Role::decode)];
    if (decode.life) decode.life->gate.give_tokens(decode.mark);
  }
  end_stake(open.stake[place(Role::prefill)], End::completed);
}

void World::progress() {
  if (open_.empty()) return;
  Open& open = open_[draws_.below(static_cast<std::uint32_t>(open_.size()))];
  constexpr auto max = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t tokens = draws_.one_in(16) ? max - draws_.below(3) : draws_.below(5);
  with_half(open, draw_role(), [&](auto& lease, Stake& stake) {
    lease.progress(tokens);
    if (!stake.life || tokens == 0) return;
    const std::uint64_t added = std::min(tokens, max - stake.life->demand);
    stake.life->gate.give_tokens(stake.mark);
    stake.amount += added;
    stake.life->demand += added;
  });
}

void World::detach() {
  if (open_.empty()) return;
  Open& open = open_[draws_.below(static_cast<std::uint32_t>(open_.size()))];
  const Role role = draw_role();
  std::size_t detached = 0;
  for (const Detached& before : detached_) detached += before.role == role && before.stake.life ? 1U : 0U;
  with_half(open, role, [&](auto& lease, Stake& stake) {
    with_router_or_dispatcher([&](auto& keeper, Loop* /*loop*/) {
      const auto id = keeper.detach(std::move(lease));
      ensure(id.has_value() == (stake.life && detached < 4), "a lease is detached exactly if there is room for it");
      ensure(!lease == (id || !stake.life), "a lease that is not detached stays, and no other");
      if (!id) return;
      const auto value = static_cast<std::int64_t>(*id);
      ensure(value > 0, "a lease id is positive");
      for (Detached& before : detached_) {
        ensure(before.id != *id, "a lease id is given once");
        if (before.role == role && !before.stake.life) before.place_may_have_gone = true;
      }
      detached_.push_back({*id, role, std::exchange(stake, {})});
    });
  });
}

void World::adopt() {
  if (detached_.empty()) return;
  Detached& given = detached_[draws_.below(static_cast<std::uint32_t>(std::min<std::size_t>(detached_.size(), 256)))];
  const bool right_role = !draws_.one_in(8);
  const auto try_role = [&]<Role role>() {
    with_router_or_dispatcher([&](auto& keeper, Loop* /*loop*/) {
      auto lease = keeper.template adopt<role>(given.id);
      ensure(lease.has_value() == (role == given.role && given.stake.life),
             "a lease id is exchanged once, by its role");
      if (!lease) {
        ++tally_.bad_lease_ids;
        using pdroute::LeaseIdError;
        if (role != given.role) {
          ensure(lease.error() == LeaseIdError::other_role, "a lease id of the other role gets another error");
        } else {
          ensure(
              lease.error() == LeaseIdError::used || (lease.error() == LeaseIdError::dead && given.place_may_have_gone),
              "a used lease id gets another error");
        }
      } else if (given.stake.life) {
        ++tally_.adopted;
        Open open;
        open.stake[place(role)] = std::exchange(given.stake, {});
        if constexpr (role == Role::prefill) {
          open.route.prefill = std::move(*lease);
        } else {
          open.route.decode = std::move(*lease);
        }
        open_.push_back(std::move(open));
      }
    });
  };
  if ((given.role == Role::prefill) == right_role) {
    try_role.operator()<Role::prefill>();
  } else {
    try_role.operator()<Role::decode>();
  }
}

void World::forge() {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8U | draws_.below(256);
  if (draws_.one_in(2)) value &= 0xffffffff0fU;  // near the ids that the router gives
  if (!detached_.empty() && draws_.one_in(2))
    value = static_cast<std::uint64_t>(detached_.back().id) ^ (std::uint64_t{1} << draws_.below(64));
  const pdroute::LeaseId forged{value};
  for (const Detached& given : detached_) {
    if (given.id == forged) return;
  }
  with_router_or_dispatcher([&](auto& keeper, Loop* /*loop*/) {
    ensure(!keeper.template adopt<Role::prefill>(forged), "a forged lease id is exchanged for a prefill lease");
    ensure(!keeper.template adopt<Role::decode>(forged), "a forged lease id is exchanged for a decode lease");
  });
}

void World::manage_loops() {
  const auto some = [&]() -> std::size_t { return draws_.below(static_cast<std::uint32_t>(loops_.size())); };
  switch (draws_.below(5)) {
    case 0:
    case 1:
      if (!router_ || loops_.size() == 4) return;
      loops_.push_back({router_->dispatcher(), {}});
      see(loops_.back());
      return;
    case 2:
      if (loops_.empty()) return;
      see(loops_[some()]);
      for (Loop& loop : loops_) {
        loop.dispatcher.refresh();
        see(loop);
      }
      return;
    case 3:
      if (loops_.empty()) return;
      loops_.erase(loops_.begin() + static_cast<std::ptrdiff_t>(some()));
      return end_core();
    default:
      if (loops_.size() < 2) return;
      std::swap(loops_.front(), loops_[some()]);
  }
}

void World::drop_router() {
  if (draws_.one_in(2)) router_.reset();
  end_core();
}

/// Without a router and a dispatcher the core is gone: the model ends its detached leases, and another router is made.
void World::end_core() {
  if (router_ || !loops_.empty()) return;
  for (Detached& lease : detached_) end_stake(lease.stake, End::cancelled);
  members_ = {};
  departed_ = {};
  compare();
  start();
}

void World::advance_clock() {
  if (draws_.one_in(16)) return clock_.advance(std::chrono::hours{1});
  clock_.advance(std::chrono::milliseconds{250 * draws_.below(40)});
}

void World::compare() {
  std::erase_if(lives_, [](const std::weak_ptr<Life>& life) { return life.expired(); });
  ensure(census_.fault().empty(), census_.fault());
  ensure(census_.alive() >= lives_.size(), "an endpoint that is needed has been destroyed");
  ensure(!lives_.empty() || census_.alive() == 0, "endpoints are left over");
  for (const Open& open : open_) {
    const auto compare_half = [&](const auto& lease, const Stake& stake) {
      ensure(!lease == !stake.life, "whether a lease is held differs from the model");
      if (!lease || !stake.life) return;
      ensure(census_.lives(&*lease), "a lease names an endpoint that has been destroyed");
      if (!violation_.empty()) return;
      ensure(
          lease->stamp == stake.stamp && lease.id() == stake.life->id && lease.incarnation() == stake.life->incarnation,
          "a lease names another endpoint");
    };
    compare_half(open.route.prefill, open.stake[place(Role::prefill)]);
    compare_half(open.route.decode, open.stake[place(Role::decode)]);
  }
  if (!router_) return;
  compare_members(Role::prefill);
  compare_members(Role::decode);
}

void World::compare_members(Role role) {
  const auto reported = router_->endpoints(role);
  const Lives& expected = members(role);
  ensure(reported.size() == expected.size(), "the number of members differs");
  for (std::size_t i = 0; i < reported.size() && violation_.empty(); ++i) {
    const auto& status = reported[i];
    Life& life = *expected[i];
    ensure(status.id == life.id && status.incarnation == life.incarnation, "the members or their order differ");
    ensure(status.key.role == role && status.key.incarnation == life.incarnation, "a key names another life");
    life.name = status.key;
    ensure(status.health == life.health && status.intake == life.intake && status.draining == life.draining,
           "the state of a member differs");
    ensure(status.ejection == life.phase(), "whether a member is ejected differs from the model");
    ensure(status.capacity == life.capacity, "the capacity of a member differs");
    ensure(status.in_flight == life.leases, "the number in flight differs");
    ensure((role == Role::prefill ? status.tokens : status.kv_tokens) == life.demand, "the tokens held differ");
    ensure((role == Role::prefill ? status.kv_tokens : status.tokens) == std::nullopt,
           "tokens are reported that the role does not count");
    ensure(status.outcomes == life.outcomes, "the outcomes differ");
  }
  ensure(router_->refusals(role) == refusals_[place(role)], "the refusals differ");
}

LifePtr World::find(const Lives& lives, std::string_view id) {
  for (const LifePtr& life : lives) {
    if (life->id == id) return life;
  }
  return nullptr;
}

Lives World::eligible(Role role) const {
  Lives some;
  for (const LifePtr& life : members_[place(role)]) {
    if (life->eligible()) some.push_back(life);
  }
  return some;
}

void World::see(Loop& loop) const {
  for (const Role role : {Role::prefill, Role::decode}) {
    loop.seen[place(role)] = eligible(role);
    for (const LifePtr& life : members_[place(role)]) {
      if (life->bound_only()) loop.seen[place(role)].push_back(life);
    }
  }
}

}  // namespace fuzz
