// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/lease.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/token_count.hpp>
#include <type_traits>
#include <utility>

#include "catch2_compat.hpp"
#include "pool/member.hpp"

namespace {

using pdroute::FailureKind;
using pdroute::Outcomes;
using pdroute::Role;
using Lease = Member<>::Lease;
using Counted = Member<Role::decode, pdroute::Loads<pdroute::Tokens, pdroute::KvTokens>>;

template <class L>
concept MakesProgress = requires(L& lease) { lease.progress(1); };
static_assert(MakesProgress<Counted::Lease>);
static_assert(!MakesProgress<Lease>);

/// A metric that keeps a thing of the caller's in each lease.
struct Tickets {
  struct Options {};
  struct Held {
    std::shared_ptr<int> ticket = {};
  };
  explicit Tickets(Options /*options*/) {}
  bool try_hold(const pdroute::Demand& /*demand*/, Held& held) {
    held.ticket = std::make_shared<int>(1);
    last = held.ticket;
    return true;
  }
  [[nodiscard]] static bool has_room(const pdroute::Demand& /*demand*/) { return true; }
  static void grow(const Held& /*held*/, std::uint64_t /*tokens*/) {}
  static void let_go(const Held& /*held*/) {}  // the lease lets go of the ticket
  static void set_capacity(const pdroute::Capacity& /*capacity*/) {}

  std::weak_ptr<int> last = {};
};
static_assert(pdroute::HoldsDemand<Tickets>);
using Ticketed = Member<Role::decode, Tickets>;

static_assert(Lease::role == Role::prefill && Counted::Lease::role == Role::decode);
static_assert(!std::is_assignable_v<Member<Role::decode>::Lease&, Member<Role::prefill>::Lease>);

}  // namespace

TEST_CASE("a lease gives access to its endpoint and counts as in flight until it is completed") {
  const Member member;
  Lease lease = member.lease();
  CHECK(lease);
  CHECK(lease->id == "p0");
  CHECK((*lease).id == "p0");
  CHECK(lease.id() == "p0");
  CHECK(lease.incarnation() == 3);
  CHECK(lease.key() == pdroute::EndpointKey{Role::prefill, 3});
  CHECK(member.slot->in_flight() == 1);
  lease.complete();
  CHECK_FALSE(lease);
  CHECK(member.slot->in_flight() == 0);
}

TEST_CASE("endpoint keys differ by incarnation and role, not by id") {
  const pdroute::EndpointKey key = Member<Role::prefill>{"a", 5}.lease().key();
  CHECK(key == Member<Role::prefill>{"b", 5}.lease().key());
  CHECK(key != Member<Role::prefill>{"a", 6}.lease().key());
  CHECK(key != Member<Role::decode>{"a", 5}.lease().key());
}

TEST_CASE("a destroyed lease counts as cancelled, and its load is released") {
  const Member member;
  {
    const Lease lease = member.lease();
  }
  CHECK(member.slot->in_flight() == 0);
  CHECK(member.slot->outcomes() == Outcomes{.cancelled = 1});
}

TEST_CASE("a lease is ended several times, only the first end counts") {
  const Member member;
  {
    Lease lease = member.lease();
    Lease other = member.lease();
    SECTION("completed first") {
      lease.complete();
      lease.complete();
      lease.fail(FailureKind::bad_response);
    }
    SECTION("failed first") {
      lease.fail(FailureKind::unreachable);
      lease.fail(FailureKind::bad_response);
      lease.complete();
    }
    CHECK_FALSE(lease);
    CHECK(member.slot->in_flight() == 1);
    other.complete();
  }
  const Outcomes outcomes = member.slot->outcomes();
  CHECK(outcomes.completed + outcomes.unreachable == 2);
  CHECK(outcomes.bad_response == 0);
  CHECK(outcomes.cancelled == 0);
}

TEST_CASE("a moved lease is released once, by its last owner") {
  const Member member;
  Lease a = member.lease();
  Lease b = std::move(a);
  CHECK(member.slot->in_flight() == 1);
  Lease c = member.lease();
  CHECK(member.slot->in_flight() == 2);
  c = std::move(b);  // cancels the lease that c held before
  CHECK(member.slot->in_flight() == 1);
  CHECK(member.slot->outcomes() == Outcomes{.cancelled = 1});
  c.complete();
  CHECK(member.slot->in_flight() == 0);
  CHECK(member.slot->outcomes() == Outcomes{.completed = 1, .cancelled = 1});
}

TEST_CASE("a lease that has ended keeps nothing that its metric stored in it") {
  const Ticketed member;
  Ticketed::Lease lease = member.lease();
  REQUIRE_FALSE(member.slot->last.expired());
  SECTION("completed") {
    lease.complete();
  }
  SECTION("failed") {
    lease.fail(FailureKind::timed_out);
  }
  SECTION("rejected") {
    lease.reject();
  }
  SECTION("cancelled") {
    lease.cancel();
  }
  CHECK(member.slot->last.expired());
}

TEST_CASE("a lease that was moved from keeps nothing that its metric stored in it") {
  const Ticketed member;
  Ticketed::Lease lease = member.lease();
  SECTION("constructed from it") {
    Ticketed::Lease next{std::move(lease)};
    CHECK_FALSE(member.slot->last.expired());
    next.complete();
  }
  SECTION("assigned from it") {
    Ticketed::Lease next;
    next = std::move(lease);
    CHECK_FALSE(member.slot->last.expired());
    next.complete();
  }
  CHECK(member.slot->last.expired());
}

TEST_CASE("ending an empty lease has no effect") {
  const Member member;
  Lease from = member.lease();
  const Lease to = std::move(from);
  CHECK_FALSE(from);  // NOLINT(bugprone-use-after-move): this is what is tested
  from.complete();
  from.fail(FailureKind::bad_response);
  Lease{}.complete();
  CHECK(to);
  CHECK(member.slot->in_flight() == 1);
  CHECK(member.slot->outcomes() == Outcomes{});
}

TEST_CASE("a lease that is move-assigned to itself is unchanged") {
  const Member member;
  Lease lease = member.lease();
  Lease& same = lease;
  lease = std::move(same);
  CHECK(lease);
  CHECK(member.slot->in_flight() == 1);
}

TEST_CASE("progress raises a lease's demand, and any end releases all of it") {
  const Counted member;
  auto first = member.lease({.prompt_tokens = 100});
  auto second = member.lease({.prompt_tokens = 10});
  first.progress(5);
  first.progress(6);
  CHECK(member.slot->tokens() == 121);
  CHECK(member.slot->kv_tokens() == 121);
  SECTION("by complete") {
    first.complete();
  }
  SECTION("by fail") {
    first.fail(FailureKind::bad_response);
  }
  SECTION("by a cancel") {
    first = {};
  }
  SECTION("by undo") {
    first.undo(pdroute::detail::Nothing{});
  }
  CHECK(member.slot->tokens() == 10);
  CHECK(member.slot->kv_tokens() == 10);
  second.complete();
  CHECK(member.slot->tokens() == 0);
  CHECK(member.slot->kv_tokens() == 0);
}

TEST_CASE("a lease that is moved takes its demand along") {
  const Counted member;
  auto a = member.lease({.prompt_tokens = 100});
  auto b = std::move(a);
  a.progress(1);  // NOLINT(bugprone-use-after-move): this is what is tested
  b.progress(20);
  CHECK(member.slot->tokens() == 120);
  auto c = member.lease({.prompt_tokens = 3});
  c = std::move(b);
  CHECK(member.slot->tokens() == 120);
  c.complete();
  CHECK(member.slot->tokens() == 0);
}

TEST_CASE("progress by a negative number of tokens has no effect") {
  const Counted member;
  auto lease = member.lease({.prompt_tokens = 100});
  lease.progress(-1);
  lease.progress(std::numeric_limits<std::int64_t>::min());
  CHECK(member.slot->tokens() == 100);
  lease.progress(std::int64_t{7});
  CHECK(member.slot->tokens() == 107);
}

TEST_CASE("progress on an ended or empty lease has no effect") {
  const Counted member;
  auto lease = member.lease({.prompt_tokens = 100});
  lease.complete();
  lease.progress(50);
  Counted::Lease{}.progress(50);
  CHECK(member.slot->tokens() == 0);
}

TEST_CASE("progress may pass a limit, and then no further request has room") {
  const Counted member;
  member.slot->set_capacity({.kv_tokens = 100});
  auto lease = member.lease({.prompt_tokens = 90});
  lease.progress(11);
  CHECK(member.slot->kv_tokens() == 101);
  CHECK_FALSE(member.slot->has_room(pdroute::Request{.prompt_tokens = 0}));
  lease.progress(std::numeric_limits<std::uint64_t>::max());
  lease.complete();
  CHECK(member.slot->kv_tokens() == 0);
}
