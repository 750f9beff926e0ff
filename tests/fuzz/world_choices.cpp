// SPDX-License-Identifier: Apache-2.0
// Choices of the fuzzed router: the candidates offered to policies, the endpoint chosen, or the reason for none.
#include <algorithm>
#include <limits>
#include <utility>

#include "fuzz/world.hpp"
#include "fuzz/world_access.hpp"

namespace fuzz {

using pdroute::NoEndpoint;
using pdroute::Role;

namespace {

struct Thrown {};

}  // namespace

Job World::draw_job() {
  Job job;
  job.witness = this;
  for (const Role role : {Role::prefill, Role::decode}) {
    job.size[place(role)] =
        draws_.one_in(64) ? std::numeric_limits<std::uint64_t>::max() - draws_.below(4) : draws_.below(4);
    if (draws_.one_in(24))
      job.answer[place(role)] = draws_.one_in(2) ? Job::Answer::decline : Job::Answer::out_of_range;
  }
  return job;
}

Wish::Leg World::draw_leg(Role role) {
  Wish::Leg leg;
  if (draws_.one_in(3)) {
    for (const LifePtr& life : members(role)) {
      if (draws_.one_in(4)) leg.exclude.push_back({life->name});
      if (draws_.one_in(8)) leg.exclude.push_back({{other(role), life->incarnation}});
    }
  }
  if (draws_.one_in(6)) {
    leg.allowed.emplace();
    for (const std::string_view id : {"e0", "e1", "e2", "e3", "e4", "e5", "e6"}) {
      if (!draws_.one_in(3)) leg.allowed->push_back(id);
    }
  }
  if (draws_.one_in(4)) leg.groups = 1 + draws_.below(7);
  return leg;
}

Wish World::draw_wish(Legs legs) {
  Wish wish;
  if (draws_.one_in(2)) return wish;
  if (legs != Legs::decode) wish.leg[place(Role::prefill)] = draw_leg(Role::prefill);
  if (legs != Legs::prefill) wish.leg[place(Role::decode)] = draw_leg(Role::decode);
  if (legs == Legs::both && draws_.one_in(2)) wish.sum_not = draws_.below(3);
  if (draws_.one_in(8)) wish.throws_after = draws_.below(4);
  return wish;
}

void World::tick() const {
  if (!calls_before_throw_) return;
  if (*calls_before_throw_ == 0) throw Thrown{};
  --*calls_before_throw_;
}

void World::choose(Legs legs) {
  const Job job = draw_job();
  const Wish wish = draw_wish(legs);
  job_ = &job;
  wish_ = &wish;
  calls_before_throw_ = wish.throws_after;

  using Filter = Router::Filter;
  const auto accepts = [&](Role role) {
    return [this, &leg = wish.leg[place(role)]](const Payload& payload) {
      tick();
      census_.used(&payload);
      return (*leg.groups >> payload.group & 1U) != 0;
    };
  };
  const auto accept_prefill = accepts(Role::prefill);
  const auto accept_decode = accepts(Role::decode);
  const auto compatible = [&](const Payload& prefill, const Payload& decode) {
    tick();
    census_.used(&prefill);
    census_.used(&decode);
    return wish.compatible(prefill.group, decode.group);
  };
  const auto filter_of = [&](Role role, const auto& accept) {
    const Wish::Leg& leg = wish.leg[place(role)];
    Filter filter{.exclude = leg.exclude};
    if (leg.allowed) filter.allowed = *leg.allowed;
    if (leg.groups) filter.accept = accept;
    return filter;
  };
  const Filter prefill = filter_of(Role::prefill, accept_prefill);
  const Filter decode = filter_of(Role::decode, accept_decode);
  Router::RouteFilter both{.prefill = prefill, .decode = decode};
  if (wish.sum_not) both.compatible = compatible;
  const bool without_filter = both.empty() && draws_.one_in(2);

  with_router_or_dispatcher([&](auto& asked, Loop* loop) {
    if (loop != nullptr) see(*loop);
    const auto take = [&](auto result) {
      ++(result ? tally_.chosen : tally_.refused);
      if (!result) return refused(legs, result.error());
      if constexpr (requires { result->prefill; }) {
        took_route(std::move(*result));
      } else {
        took_one(std::move(*result));
      }
    };
    try {
      switch (legs) {
        case Legs::both: return take(without_filter ? asked.route(job) : asked.route(job, both));
        case Legs::prefill: return take(without_filter ? asked.prefill(job) : asked.prefill(job, prefill));
        case Legs::decode: return take(without_filter ? asked.decode(job) : asked.decode(job, decode));
      }
    } catch (const Thrown&) {
      ++tally_.thrown;
    }
  });
  job_ = nullptr;
  wish_ = nullptr;
  while (open_.size() > 48) {
    for (Stake& stake : open_.front().stake) end_stake(stake, End::cancelled);
    open_.pop_front();
  }
}

/// Checks that a policy sees only eligible members, in their order, with the model's numbers. A reservation that was
/// undone has left no trace in them.
void World::policy_is_asked(const std::vector<Offer>& offers) {
  if (offers.empty()) return;
  const Lives& role = members(offers.front().role);
  auto next = role.begin();
  for (const Offer& offer : offers) {
    next = std::find_if(next, role.end(), [&](const LifePtr& life) { return life->incarnation == offer.incarnation; });
    if (next == role.end())
      return ensure(false, "a policy is offered a candidate that is not a member, or out of order");
    const Life& life = **next++;
    const Fate passes = fate(life, *wish_, *job_, nullptr);
    const bool without_room = passes == Fate::full || passes == Fate::too_large;  // found out when it is reserved
    ensure(passes == Fate::has_room || without_room, "a policy is offered an endpoint that does not pass");
    ensure(offer.in_flight == life.leases, "a policy sees a wrong number in flight");
    ensure(offer.demand == life.demand, "a policy sees a wrong number of tokens");
    if (!offer.arrivals) continue;
    const auto recent = std::count_if(life.arrivals.begin(), life.arrivals.end(),
                                      [&](std::int64_t at) { return at >= seconds() - window.count(); });
    ensure(*offer.arrivals == static_cast<std::uint32_t>(recent), "a policy sees a wrong number of arrivals");
  }
}

/// Checks one leg of a choice. The caller counts it in the model afterwards.
World::Stake World::took(Role role, const Payload& payload, std::uint64_t incarnation) {
  const Job& job = *job_;
  ensure(census_.lives(&payload), "an endpoint is chosen that has been destroyed");
  const Lives& all = members(role);
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const LifePtr& life) { return life->incarnation == incarnation; });
  ensure(found != all.end(), "an endpoint is chosen that is not a member");
  if (found == all.end()) return {};
  Life& life = **found;
  ensure(payload.stamp == life.stamp, "another copy of the endpoint is chosen");
  ensure(fate(life, *wish_, job, nullptr) == Fate::has_room, "an endpoint is chosen that does not pass or has no room");
  ensure(job.answer[place(role)] == Job::Answer::choose, "an endpoint is chosen although the policy declines");
  if (life.gate.held_back() && life.gate.tripped() && !wish_->sum_not) {
    for (const LifePtr& each : all) {
      ensure(fate(*each, *wish_, job, nullptr) != Fate::has_room || each->gate.held_back(),
             "an endpoint that keeps failing is chosen although another one can take the request");
    }
  }
  return {*found, job.amount(life.group, role), payload.stamp};
}

template <class Lease>
void World::took_one(Lease lease) {
  Open open;
  Stake& stake = open.stake[place(Lease::role)];
  stake = took(Lease::role, *lease, lease.incarnation());
  if (!stake.life) return;
  ++stake.life->leases;
  stake.mark = stake.life->gate.begin();
  stake.life->demand += stake.amount;
  if (Lease::role == Role::decode) stake.life->arrivals.push_back(seconds());
  if constexpr (Lease::role == Role::prefill) {
    open.route.prefill = std::move(lease);
  } else {
    open.route.decode = std::move(lease);
  }
  open_.push_back(std::move(open));
}

void World::took_route(Router::Route route) {
  ensure(wish_->compatible(route.prefill->group, route.decode->group), "a pair is chosen that does not fit");
  took_one(std::move(route.prefill));
  took_one(std::move(route.decode));
  if (!violation_.empty()) return;
  Open decode = std::move(open_.back());
  open_.pop_back();
  open_.back().route.decode = std::move(decode.route.decode);
  open_.back().stake[place(Role::decode)] = std::move(decode.stake[place(Role::decode)]);
}

/// Whether the leg chosen second may refuse with this reason: it must refuse beside every endpoint that the first leg
/// could choose.
bool World::explains_second(const NoEndpoint& reason) const {
  const Lives& firsts = members_[place(first_)];
  const Lives& seconds = members_[place(reason.role)];
  const auto can_be_first = [&](const LifePtr& life) { return fate(*life, *wish_, *job_, nullptr) == Fate::has_room; };
  const bool first_declines = job_->answer[place(first_)] != Job::Answer::choose;
  // A role without an eligible endpoint may refuse before the first leg is chosen.
  if (eligible(reason.role).empty() && explains(reason, seconds, *wish_, *job_, nullptr)) return true;
  // The first role is full, and no endpoint of this one could take the request even if it were idle.
  const auto is = [&](Fate its_fate) {
    return [&, its_fate](const LifePtr& life) { return fate(*life, *wish_, *job_, nullptr) == its_fate; };
  };
  const bool no_first = first_declines || std::none_of(firsts.begin(), firsts.end(), can_be_first);
  if (no_first && std::any_of(firsts.begin(), firsts.end(), is(Fate::full)) &&
      std::none_of(seconds.begin(), seconds.end(), is(Fate::full)) &&
      std::none_of(seconds.begin(), seconds.end(), is(Fate::has_room)))
    return explains(reason, seconds, *wish_, *job_, nullptr);
  if (no_first) return false;
  bool explained = false;
  for (const LifePtr& first : firsts) {
    if (!can_be_first(first)) continue;
    explained = explained || explains(reason, seconds, *wish_, *job_, wish_->sum_not ? first.get() : nullptr);
    if (job_->answer[place(reason.role)] != Job::Answer::choose) continue;
    for (const LifePtr& second : seconds) {
      if (fate(*second, *wish_, *job_, first.get()) == Fate::has_room) return false;
    }
  }
  return explained;
}

/// Whether the leg chosen first may refuse with this reason although some endpoints have room: the others are full, and
/// no endpoint with room has a compatible partner.
bool World::explains_first(const NoEndpoint& reason) const {
  if (!wish_->sum_not || !reason.overloaded() || job_->answer[place(first_)] != Job::Answer::choose) return false;
  NoEndpoint expected = reason;
  expected.full = 0;
  expected.too_large = 0;
  expected.incompatible = 0;
  for (const LifePtr& first : members_[place(first_)]) {
    const Fate its_fate = fate(*first, *wish_, *job_, nullptr);
    if (its_fate == Fate::full) ++expected.full;
    if (its_fate == Fate::too_large) ++expected.too_large;
    if (its_fate != Fate::has_room) continue;
    ++expected.incompatible;
    if (job_->answer[place(other(first_))] != Job::Answer::choose) continue;
    for (const LifePtr& second : members_[place(other(first_))]) {
      if (fate(*second, *wish_, *job_, first.get()) == Fate::has_room) return false;
    }
  }
  return expected == reason && expected.incompatible > 0;
}

void World::refused(Legs legs, const NoEndpoint& reason) {
  ensure(adds_up(reason), "the reasons do not add up");
  ensure(legs == Legs::both || (legs == Legs::prefill) == (reason.role == Role::prefill), "another role refuses");
  if (legs == Legs::both && reason.role != first_) {
    ensure(explains_second(reason), "the leg chosen second refuses without that reason");
  } else {
    ensure(explains(reason, members(reason.role), *wish_, *job_, nullptr) ||
               (legs == Legs::both && explains_first(reason)),
           "a role refuses without that reason");
  }
  tally_.full += reason.full > 0 ? 1U : 0U;
  tally_.incompatible += reason.incompatible > 0 ? 1U : 0U;
  pdroute::Refusals& counted = refusals_[place(reason.role)];
  const auto count = [](std::uint64_t& counter, std::uint32_t endpoints) { counter += endpoints > 0 ? 1U : 0U; };
  ++counted.requests;
  count(counted.unhealthy, reason.unhealthy);
  count(counted.paused, reason.paused);
  count(counted.draining, reason.draining);
  count(counted.ejected, reason.ejected);
  count(counted.bound_only, reason.bound_only);
  tally_.bound_only += reason.bound_only > 0 ? 1U : 0U;
  count(counted.excluded, reason.excluded);
  count(counted.disallowed, reason.disallowed);
  count(counted.incompatible, reason.incompatible);
  count(counted.too_large, reason.too_large);
  count(counted.full, reason.full);
  count(counted.declined, reason.declined);
}

}  // namespace fuzz
