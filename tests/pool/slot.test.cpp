// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/slot.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/manual_clock.hpp>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "pool/member.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::FailureKind;
using pdroute::KvTokens;
using pdroute::Outcomes;
using pdroute::Request;
using pdroute::Role;
using pdroute::Tokens;
using Attempt = pdroute::detail::SlotCount::Attempt;
using TimePoint = pdroute::ManualClock::time_point;

using Both = pdroute::Loads<Tokens, KvTokens>;

/// A load metric that calls `look` whenever a lease ends.
struct Watching {
  struct Options {};
  struct Held {};
  explicit Watching(Options /*options*/) {}
  [[nodiscard]] static bool has_room(const pdroute::Demand& /*demand*/) noexcept { return true; }
  [[nodiscard]] static bool try_hold(const pdroute::Demand& /*demand*/, Held& /*held*/) noexcept { return true; }
  static void grow(Held& /*held*/, std::uint64_t /*tokens*/) noexcept {}
  void let_go(Held& /*held*/) const noexcept {
    if (look) look();
  }
  static void set_capacity(const pdroute::Capacity& /*capacity*/) noexcept {}

  std::function<void()> look;
};

}  // namespace

TEST_CASE("each end of a lease raises the count of its outcome") {
  const Member member;
  for (int i = 0; i < 3; ++i) member.lease().complete();
  for (int i = 0; i < 2; ++i) static_cast<void>(member.lease());
  member.lease().fail(FailureKind::unreachable);
  member.lease().fail(FailureKind::timed_out);
  member.lease().fail(FailureKind::timed_out);
  member.lease().fail(FailureKind::bad_response);
  for (int i = 0; i < 5; ++i) member.lease().reject();
  std::vector<Member<>::Lease> refused;  // at once, because push-back keeps later requests out for a while
  for (int i = 0; i < 4; ++i) refused.push_back(member.lease());
  for (auto& lease : refused) lease.fail(FailureKind::overloaded);
  CHECK(member.slot->outcomes() == Outcomes{.completed = 3,
                                            .rejected = 5,
                                            .cancelled = 2,
                                            .unreachable = 1,
                                            .timed_out = 2,
                                            .bad_response = 1,
                                            .overloaded = 4});
  CHECK(member.slot->in_flight() == 0);
}

TEST_CASE("a running lease has no outcome until it ends") {
  const Member member;
  auto running = member.lease();
  member.lease().complete();
  CHECK(member.slot->outcomes() == Outcomes{.completed = 1});
  running.fail(FailureKind::bad_response);
  CHECK(member.slot->outcomes() == Outcomes{.completed = 1, .bad_response = 1});
}

TEST_CASE("an undone reservation leaves no trace in load, arrivals and outcomes") {
  using Load = pdroute::Loads<pdroute::RequestRate, Tokens>;
  const Member<Role::prefill, Load> member{"p0", 1, {60s, {}}};
  auto* const slot = member.slot;
  const auto arrivals = [&] { return slot->arrivals(pdroute::RateWindow{60s}.bucket(TimePoint{1s})); };
  member.lease().complete();

  auto lease = member.lease({.prompt_tokens = 500});
  const auto receipt = slot->record(TimePoint{1s});
  CHECK(arrivals() == 1);
  lease.undo(receipt);
  CHECK_FALSE(lease);
  CHECK(arrivals() == 0);
  CHECK(slot->tokens() == 0);
  CHECK(slot->in_flight() == 0);
  CHECK(slot->outcomes() == Outcomes{.completed = 1});
}

TEST_CASE("a demand that does not fit is refused as full and leaves no trace") {
  const Member<Role::decode, Both> member;
  member.slot->set_capacity({.requests = 5, .tokens = 1000, .kv_tokens = 100});
  auto lease = member.lease({.prompt_tokens = 60});
  Member<Role::decode, Both>::Slot::Held held{};
  CHECK(member.slot->try_reserve(Request{.prompt_tokens = 41}, held).attempt == Attempt::full);
  CHECK(member.slot->in_flight() == 1);
  CHECK(member.slot->tokens() == 60);
  CHECK(member.slot->kv_tokens() == 60);
  CHECK(member.slot->outcomes() == Outcomes{});
  lease.complete();
  CHECK(member.slot->outcomes() == Outcomes{.completed = 1});
  CHECK(member.slot->tokens() == 0);
  CHECK(member.slot->kv_tokens() == 0);
}

TEST_CASE("has_room answers as try_reserve does") {
  const Member<Role::decode, KvTokens> member;
  member.slot->set_capacity({.requests = 2, .kv_tokens = 100});
  const auto agree = [&](std::uint64_t tokens) {
    const bool room = member.slot->has_room(Request{.prompt_tokens = tokens});
    Member<Role::decode, KvTokens>::Slot::Held held{};
    const auto [attempt, place] = member.slot->try_reserve(Request{.prompt_tokens = tokens}, held);
    CHECK(room == (attempt == Attempt::reserved));
    if (attempt == Attempt::reserved) Member<Role::decode, KvTokens>::Lease{place, held}.complete();
    return room;
  };
  CHECK(agree(100));
  CHECK_FALSE(agree(101));
  const auto first = member.lease({.prompt_tokens = 30});
  CHECK(agree(70));
  CHECK_FALSE(agree(71));
  const auto second = member.lease();
  CHECK_FALSE(agree(0));
}

TEST_CASE("an empty capacity means no limit, also after a limit was set") {
  const Member<Role::prefill, Tokens> member;
  member.slot->set_capacity({.requests = 1, .tokens = 10});
  auto lease = member.lease({.prompt_tokens = 10});
  CHECK_FALSE(member.slot->has_room(Request{}));
  member.slot->set_capacity({});
  CHECK(member.slot->has_room(Request{.prompt_tokens = 1'000'000}));
  CHECK(member.slot->limit() == pdroute::Capacity::max_requests);
}

TEST_CASE("a request's demand is asked with the slot's own endpoint and role") {
  struct DemandByEndpoint {
    [[nodiscard]] pdroute::Demand demand(const Engine& engine, Role role) const {
      return {.tokens = engine.id == "p7" && role == Role::prefill ? 7U : 1000U};
    }
  };
  const Member<Role::prefill, Tokens> member{"p7"};
  member.slot->set_capacity({.tokens = 7});
  CHECK(member.slot->has_room(DemandByEndpoint{}));
  Tokens::Held held;
  const auto [attempt, place] = member.slot->try_reserve(DemandByEndpoint{}, held);
  REQUIRE(attempt == Attempt::reserved);
  CHECK(held.amount == 7);
  CHECK(member.slot->tokens() == 7);
  const Member<Role::prefill, Tokens>::Lease lease{place, held};
}

TEST_CASE("demand() of a request throws, nothing is reserved") {
  struct Throws {
    [[nodiscard]] static pdroute::Demand demand(const Engine& /*engine*/, Role /*role*/) {
      throw std::runtime_error("no demand");
    }
  };
  const Member<Role::prefill, Tokens> member;
  Tokens::Held held;
  CHECK_THROWS_AS(member.slot->try_reserve(Throws{}, held), std::runtime_error);
  CHECK(member.slot->in_flight() == 0);
  CHECK(member.slot->ended() == 0);
}

TEST_CASE("a role that counts no tokens does not ask a request for its demand") {
  struct WithoutDemand {};
  const Member member;
  CHECK(member.slot->has_room(WithoutDemand{}));
  Member<>::Slot::Held held{};
  const auto [attempt, place] = member.slot->try_reserve(WithoutDemand{}, held);
  REQUIRE(attempt == Attempt::reserved);
  const Member<>::Lease lease{place, held};
}

TEST_CASE("reported completions stay reported while another lease ends") {
  const Member<Role::prefill, Watching> member;
  member.lease().complete();
  member.lease().complete();
  CHECK(member.slot->outcomes().completed == 2);
  Outcomes meanwhile;
  member.slot->look = [&] { meanwhile = member.slot->outcomes(); };
  SECTION("by a failure") {
    member.lease().fail(FailureKind::bad_response);
    CHECK(meanwhile == Outcomes{.completed = 2, .bad_response = 1});
  }
  SECTION("by a cancel") {
    static_cast<void>(member.lease());
    CHECK(meanwhile == Outcomes{.completed = 2, .cancelled = 1});
  }
  CHECK(member.slot->outcomes().completed == 2);
}

TEST_CASE("leases end on several threads, counts never fall and completions are never overcounted") {
  using Slot = Member<>::Slot;
  const Member member;
  std::atomic<std::uint64_t> completing = 0;
  std::atomic<int> running = 2;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40'000; ++i) {
        Slot::Held held{};
        Member<>::Lease lease{member.slot->try_reserve(Request{}, held).place};
        if (i % 4 == 0) {
          lease.fail(FailureKind::timed_out);
        } else if (i % 4 == 1) {
          lease.undo(pdroute::detail::Nothing{});
        } else if (i % 4 == 2) {
          ++completing;
          lease.complete();
        }
      }
      --running;
    });
  }
  int wrong = 0;
  Outcomes before;
  while (running > 0) {
    const Outcomes now = member.slot->outcomes();
    if (now.completed > completing) ++wrong;
    if (now.completed < before.completed || now.cancelled < before.cancelled || now.timed_out < before.timed_out)
      ++wrong;
    before = now;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(member.slot->outcomes() == Outcomes{.completed = 20'000, .cancelled = 20'000, .timed_out = 20'000});
}

TEST_CASE("slot: a candidate tells the limits in force, as far as its role counts them") {
  const Member<Role::prefill, Tokens> member;
  CHECK(member.slot->capacity() == pdroute::Capacity{});
  member.slot->set_capacity({.requests = 8, .tokens = 100});
  CHECK(member.slot->capacity() == pdroute::Capacity{.requests = 8, .tokens = 100});

  SECTION("while it is probed, too, though the count then refuses every lease as full") {
    member.slot->admit([](auto& admission) { admission.probe(1); });
    CHECK(member.slot->limit() == 0);
    CHECK(member.slot->capacity() == pdroute::Capacity{.requests = 8, .tokens = 100});
  }
  SECTION("no limit is absent again") {
    member.slot->set_capacity({});
    CHECK(member.slot->capacity() == pdroute::Capacity{});
  }
  SECTION("a role that counts no tokens tells no limit on them") {
    const Member<Role::prefill> plain;
    plain.slot->set_capacity({.requests = 8, .tokens = 100});
    CHECK(plain.slot->capacity() == pdroute::Capacity{.requests = 8});
  }
}
