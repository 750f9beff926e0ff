// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/lease.hpp>

#include <cstdint>
#include <limits>
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

static_assert(Lease::role == Role::prefill && Counted::Lease::role == Role::decode);
static_assert(!std::is_assignable_v<Member<Role::decode>::Lease&, Member<Role::prefill>::Lease>);

}  // namespace

TEST_CASE("a lease names its endpoint and counts until it is complete") {
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

TEST_CASE("keys tell lives and roles apart") {
  const pdroute::EndpointKey key = Member<Role::prefill>{"a", 5}.lease().key();
  CHECK(key == Member<Role::prefill>{"b", 5}.lease().key());
  CHECK(key != Member<Role::prefill>{"a", 6}.lease().key());
  CHECK(key != Member<Role::decode>{"a", 5}.lease().key());
}

TEST_CASE("a lease that is destroyed was cancelled: its load is released") {
  const Member member;
  {
    const Lease lease = member.lease();
  }
  CHECK(member.slot->in_flight() == 0);
  CHECK(member.slot->outcomes() == Outcomes{.cancelled = 1});
}

TEST_CASE("a lease ends once, by the first that ends it") {
  const Member member;
  {
    Lease lease = member.lease();
    Lease other = member.lease();
    SECTION("complete") {
      lease.complete();
      lease.complete();
      lease.fail(FailureKind::bad_response);
    }
    SECTION("fail") {
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
  c = std::move(b);  // what c held before is cancelled
  CHECK(member.slot->in_flight() == 1);
  CHECK(member.slot->outcomes() == Outcomes{.cancelled = 1});
  c.complete();
  CHECK(member.slot->in_flight() == 0);
  CHECK(member.slot->outcomes() == Outcomes{.completed = 1, .cancelled = 1});
}

TEST_CASE("a lease that holds nothing may be ended to no effect") {
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

TEST_CASE("a lease moved onto itself stays what it was") {
  const Member member;
  Lease lease = member.lease();
  Lease& same = lease;
  lease = std::move(same);
  CHECK(lease);
  CHECK(member.slot->in_flight() == 1);
}

TEST_CASE("a lease that makes progress weighs more until it ends, however it ends") {
  const Counted member;
  auto first = member.lease({.prompt_tokens = 100});
  auto second = member.lease({.prompt_tokens = 10});
  first.progress(5);
  first.progress(6);
  CHECK(member.slot->tokens() == 121);
  CHECK(member.slot->kv_tokens() == 121);
  SECTION("complete") {
    first.complete();
  }
  SECTION("fail") {
    first.fail(FailureKind::bad_response);
  }
  SECTION("cancelled") {
    first = {};
  }
  SECTION("undone") {
    first.undo(pdroute::detail::Nothing{});
  }
  CHECK(member.slot->tokens() == 10);
  CHECK(member.slot->kv_tokens() == 10);
  second.complete();
  CHECK(member.slot->tokens() == 0);
  CHECK(member.slot->kv_tokens() == 0);
}

TEST_CASE("the weight goes with the lease") {
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

TEST_CASE("progress after the end has no effect") {
  const Counted member;
  auto lease = member.lease({.prompt_tokens = 100});
  lease.complete();
  lease.progress(50);
  Counted::Lease{}.progress(50);
  CHECK(member.slot->tokens() == 0);
}

TEST_CASE("progress may pass the limits, and then nobody else is let in") {
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
