// SPDX-License-Identifier: Apache-2.0
// Four threads do random actions on one router. The checks hold for every interleaving. The limits of endpoints do not
// change.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "fuzz/bytes.hpp"
#include "fuzz/job.hpp"
#include "fuzz/model.hpp"
#include "fuzz/payload.hpp"

namespace {

using namespace std::chrono_literals;
using fuzz::Bytes;
using fuzz::End;
using fuzz::Job;
using fuzz::Payload;
using fuzz::place;
using fuzz::Router;
using pdroute::Role;

constexpr std::uint64_t implausible = std::uint64_t{1} << 40U;  // a count that falls below zero wraps and exceeds this

/// A lease, and the demand it was taken with.
template <class Lease>
struct Held {
  Lease lease;
  std::uint64_t amount = 0;
};

/// A lease id that the router has given, and the lease behind it.
struct Detached {
  pdroute::LeaseId id;
  Role role;
  std::uint64_t amount;
};

struct Shared {
  fuzz::Census census;
  pdroute::ManualClock clock;
  std::mutex mutex;
  std::vector<Detached> detached;  // guarded by the mutex; several threads may try one id at once
};

/// Draws a list of members. `e0` and `e1` are always in it; the others come and go, in new lives.
std::vector<Payload> list(fuzz::Census& census, Bytes& draws) {
  std::vector<Payload> all;
  const std::uint32_t chosen = draws.below(16) << 2U | 3U;
  for (std::uint32_t i = 0; i < 6; ++i) {
    if ((chosen >> i & 1U) == 0) continue;
    Payload& payload = all.emplace_back(census, std::string("e").append(1, static_cast<char>('0' + i)));
    payload.incarnation = i < 2 ? 0 : draws.below(3);
    payload.group = i % 3;
    payload.capacity = {pdroute::Capacity{.requests = 3, .tokens = 8},
                        pdroute::Capacity{.requests = 2, .kv_tokens = 6}};
  }
  return all;
}

class Worker {
 public:
  Worker(Router& router, Shared& shared, const std::vector<std::uint8_t>& bytes)
      : router_(&router), shared_(&shared), draws_(bytes), dispatcher_(router.dispatcher()) {}

  void run() {
    while (!draws_.empty() && fault.empty()) act();
    while (!prefill_.empty()) end(prefill_, 0, End::completed);
    while (!decode_.empty()) end(decode_, 0, End::completed);
  }

  std::string fault;
  std::map<std::pair<Role, std::uint64_t>, pdroute::Outcomes> ended;  // by role and incarnation
  std::array<std::uint64_t, 2> refused = {};
  std::uint64_t chosen = 0;
  std::uint64_t detached = 0;
  std::uint64_t adopted = 0;
  std::uint64_t ejected = 0;  // ejected, probed or taken back

 private:
  void ensure(bool good, const char* what) {
    if (!good && fault.empty()) fault = what;
  }

  void act() {
    const std::uint32_t action = draws_.below(64);
    if (action < 30) {
      choose();
    } else if (action < 46) {
      const auto how = static_cast<End>(draws_.below(6));
      if (draws_.one_in(2)) {
        if (!prefill_.empty()) end(prefill_, draws_.below(static_cast<std::uint32_t>(prefill_.size())), how);
      } else {
        if (!decode_.empty()) end(decode_, draws_.below(static_cast<std::uint32_t>(decode_.size())), how);
      }
    } else if (action < 48) {
      if (!prefill_.empty()) prefill_.back().lease.progress(draws_.below(3));
      if (!decode_.empty()) decode_.back().lease.progress(draws_.below(3));
    } else if (action < 52) {
      if (draws_.one_in(2)) {
        detach(prefill_);
      } else {
        detach(decode_);
      }
    } else if (action < 56) {
      adopt();
    } else if (action < 60) {
      change_members();
    } else if (action < 61) {
      shared_->clock.advance(std::chrono::milliseconds{100 * draws_.below(60)});
    } else if (action < 62) {
      look(draws_.one_in(2) ? Role::decode : Role::prefill);
    } else if (action < 63) {
      dispatcher_.refresh();
    } else {
      auto fresh = router_->dispatcher();
      dispatcher_ = std::move(fresh);
    }
  }

  template <class Lease>
  void took(std::vector<Held<Lease>>& all, Lease lease, const Job& job) {
    const Payload& payload = *lease;
    const pdroute::Capacity& capacity = payload.capacity[place(Lease::role)];
    const std::uint64_t amount = job.amount(payload.group, Lease::role);
    ensure(++payload.held.leases <= *capacity.requests, "more requests than the limit");
    ensure((payload.held.demand += amount) <= (Lease::role == Role::prefill ? *capacity.tokens : *capacity.kv_tokens),
           "more tokens than the limit");
    all.push_back({std::move(lease), amount});
    ++chosen;
  }

  template <class Lease>
  void end(std::vector<Held<Lease>>& all, std::size_t at, End how) {
    std::swap(all[at], all.back());
    Held<Lease>& held = all.back();
    --held.lease->held.leases;
    held.lease->held.demand -= held.amount;
    ++fuzz::count_of(ended[{Lease::role, held.lease.incarnation()}], how);
    fuzz::end_lease(held.lease, how);
    all.pop_back();
  }

  void refuse(const pdroute::NoEndpoint& reason) {
    ensure(fuzz::adds_up(reason), "the reasons do not add up");
    ++refused[place(reason.role)];
  }

  void choose() {
    Job job;
    job.size = {draws_.below(3), draws_.below(3)};
    if (draws_.one_in(32)) job.answer[draws_.below(2)] = Job::Answer::decline;
    std::vector<pdroute::FailedEndpoint> exclude;
    if (draws_.one_in(4)) {
      for (const auto& held : prefill_) exclude.push_back({held.lease.key()});
      for (const auto& held : decode_) exclude.push_back({held.lease.key()});
    }
    const std::array<std::string_view, 4> some{"e0", "e2", "e3", "e5"};
    const auto accept = [&](const Payload& payload) { return payload.group != 2; };
    const auto compatible = [](const Payload& prefill, const Payload& decode) { return prefill.group != decode.group; };
    Router::Filter filter{.exclude = exclude};
    if (draws_.one_in(8)) filter.allowed = some;
    if (draws_.one_in(8)) filter.accept = accept;
    Router::RouteFilter both{.prefill = filter, .decode = filter};
    if (draws_.one_in(4)) both.compatible = compatible;

    const std::uint32_t legs = draws_.below(8);
    const auto with = [&](auto& asked) {
      if (legs == 0) {
        auto lease = asked.prefill(job, filter);
        if (!lease) return refuse(lease.error());
        took(prefill_, std::move(*lease), job);
      } else if (legs == 1) {
        auto lease = asked.decode(job, filter);
        if (!lease) return refuse(lease.error());
        took(decode_, std::move(*lease), job);
      } else {
        auto route = both.empty() ? asked.route(job) : asked.route(job, both);
        if (!route) return refuse(route.error());
        ensure(!both.compatible || compatible(*route->prefill, *route->decode), "a pair that does not fit");
        took(prefill_, std::move(route->prefill), job);
        took(decode_, std::move(route->decode), job);
      }
    };
    if (draws_.one_in(16)) {
      with(*router_);
    } else {
      with(dispatcher_);
    }
    if (prefill_.size() > 4) end(prefill_, 0, End::completed);
    if (decode_.size() > 4) end(decode_, 0, End::completed);
  }

  template <class Lease>
  void detach(std::vector<Held<Lease>>& all) {
    if (all.empty()) return;
    const auto id = router_->detach(std::move(all.back().lease));
    ensure(!all.back().lease == id.has_value(), "a lease is in hand or detached");
    if (!id) return;
    ++detached;
    const std::lock_guard lock{shared_->mutex};
    shared_->detached.push_back({*id, Lease::role, all.back().amount});
    all.pop_back();
  }

  void adopt() {
    std::optional<Detached> given;
    {
      const std::lock_guard lock{shared_->mutex};
      const auto size = static_cast<std::uint32_t>(shared_->detached.size());
      if (size > 0) given = shared_->detached[draws_.below(size)];
    }
    if (!given) return;
    const auto take = [&](auto lease, auto& all) {
      if (!lease)
        return ensure(lease.error() != pdroute::LeaseIdError::unknown, "a lease id that was given is unknown");
      ++adopted;
      all.push_back({std::move(*lease), given->amount});
      const std::lock_guard lock{shared_->mutex};
      std::erase_if(shared_->detached, [&](const Detached& other) { return other.id == given->id; });
    };
    if (given->role == Role::prefill) {
      take(dispatcher_.adopt<Role::prefill>(given->id), prefill_);
    } else {
      take(dispatcher_.adopt<Role::decode>(given->id), decode_);
    }
  }

  void change_members() {
    const Role role = draws_.one_in(2) ? Role::decode : Role::prefill;
    const std::string any = std::string("e").append(1, static_cast<char>('0' + draws_.below(6)));
    const std::string passing = std::string("e").append(1, static_cast<char>('2' + draws_.below(4)));
    switch (draws_.below(12)) {
      case 0:
      case 1: ensure(router_->assign(role, list(shared_->census, draws_)).has_value(), "a good list is refused"); break;
      case 2:
        static_cast<void>(
            router_->set_health(any, draws_.one_in(3) ? pdroute::Health::unhealthy : pdroute::Health::healthy));
        break;
      case 3:
        static_cast<void>(router_->set_intake(role, any,
                                              !draws_.one_in(3)  ? pdroute::Intake::accepting
                                              : draws_.one_in(2) ? pdroute::Intake::paused
                                                                 : pdroute::Intake::bound_only));
        break;
      case 4: static_cast<void>(router_->drain(role, passing)); break;
      case 5:
        static_cast<void>(router_->change_role(
            passing, role, draws_.one_in(2) ? pdroute::LastEndpoint::take : pdroute::LastEndpoint::keep));
        break;
      case 6:
        ensure(router_->set_capacity(role, any, {.requests = 0}).has_value(), "a capacity of zero is taken");
        break;
      case 7: look(role); break;
      default: ejected += router_->advance(shared_->clock.now()).size();
    }
  }

  void look(Role role) {
    for (const auto& status : router_->endpoints(role)) {
      const std::uint64_t demand = (role == Role::prefill ? status.tokens : status.kv_tokens).value_or(implausible);
      ensure(status.in_flight <= status.capacity.requests, "more in flight than the limit");
      ensure(demand < implausible, "tokens below zero");
      auto& before = seen_[{role, status.incarnation}];
      auto now = status.outcomes;
      for (const End end : {End::unreachable, End::timed_out, End::bad_response, End::overloaded, End::completed,
                            End::cancelled, End::rejected}) {
        ensure(fuzz::count_of(now, end) >= fuzz::count_of(before, end), "a count of outcomes falls");
        ensure(fuzz::count_of(now, end) < implausible, "a count of outcomes below zero");
      }
      before = now;
    }
  }

  Router* router_;
  Shared* shared_;
  Bytes draws_;
  Router::Dispatcher dispatcher_;
  std::vector<Held<Router::PrefillLease>> prefill_;
  std::vector<Held<Router::DecodeLease>> decode_;
  std::map<std::pair<Role, std::uint64_t>, pdroute::Outcomes> seen_;
};

}  // namespace

TEST_CASE("random actions of four threads: limits hold, counts balance, and nothing is left in flight") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  Shared shared;
  std::array<std::vector<std::uint8_t>, 4> bytes;
  for (std::size_t t = 0; t < bytes.size(); ++t) bytes[t] = fuzz::random_bytes(10 + t, 60000);
  {
    Bytes draws{bytes[0]};
    auto router = Router::create({.prefill = list(shared.census, draws),
                                  .decode = list(shared.census, draws),
                                  .clock = shared.clock,
                                  .first = first,
                                  .detached_leases = 4,
                                  .outlier_detection = {.consecutive_failures = 2, .base_ejection_time = 1s}})
                      .value();
    std::vector<Worker> workers;
    workers.reserve(bytes.size());
    for (const auto& own : bytes) workers.emplace_back(router, shared, own);
    std::vector<std::thread> threads;
    for (Worker& worker : workers) threads.emplace_back([&worker] { worker.run(); });
    for (std::thread& thread : threads) thread.join();

    std::map<std::pair<Role, std::uint64_t>, pdroute::Outcomes> ended;
    std::array<std::uint64_t, 2> refused = {};
    std::uint64_t chosen = 0;
    std::uint64_t detached = 0;
    std::uint64_t adopted = 0;
    std::uint64_t ejected = 0;
    for (Worker& worker : workers) {
      CHECK(worker.fault == "");
      for (auto& [key, outcomes] : worker.ended) {
        for (const End end : {End::unreachable, End::timed_out, End::bad_response, End::overloaded, End::completed,
                              End::cancelled, End::rejected})
          fuzz::count_of(ended[key], end) += fuzz::count_of(outcomes, end);
      }
      for (const Role role : {Role::prefill, Role::decode}) refused[place(role)] += worker.refused[place(role)];
      chosen += worker.chosen;
      detached += worker.detached;
      adopted += worker.adopted;
      ejected += worker.ejected;
    }
    const auto end_detached = [&](auto lease, std::uint64_t amount) {
      REQUIRE(lease);
      --(*lease)->held.leases;
      (*lease)->held.demand -= amount;
      ++ended[{lease->role, lease->incarnation()}].completed;
      lease->complete();
    };
    CHECK(detached == adopted + shared.detached.size());
    for (const Detached& given : shared.detached) {
      if (given.role == Role::prefill) {
        end_detached(router.adopt<Role::prefill>(given.id), given.amount);
      } else {
        end_detached(router.adopt<Role::decode>(given.id), given.amount);
      }
    }
    for (const Role role : {Role::prefill, Role::decode}) {
      for (const auto& status : router.endpoints(role)) {
        CHECK(status.in_flight == 0);
        CHECK((role == Role::prefill ? status.tokens : status.kv_tokens) == std::uint64_t{0});
        CHECK(status.outcomes == ended[{role, status.incarnation}]);
      }
      CHECK(router.refusals(role).requests == refused[place(role)]);
      CHECK(refused[place(role)] > 0);
    }
    CHECK(chosen > 1000);
    CHECK(adopted > 50);
    CHECK(ejected > 50);
  }
  CHECK(shared.census.alive() == 0);
  CHECK(shared.census.fault() == "");
}
