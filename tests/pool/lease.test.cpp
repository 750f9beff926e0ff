// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/lease.hpp>

#include <pdroute/pool/slot.hpp>
#include <utility>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using Slot = pdroute::Slot<pdroute::Role::prefill, Engine>;
using Lease = pdroute::Lease<Slot>;

static_assert(sizeof(Lease) == sizeof(void*));

/// A slot with its membership's pin, as a pool holds it.
struct Member {
  Slot* slot = new Slot(Engine{"p0"}, 3, {});
  Member() = default;
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() { Slot::end_pin(slot); }

  [[nodiscard]] Lease lease() const {
    REQUIRE(slot->pdroute::SlotCount::try_reserve() == Slot::Attempt::reserved);
    return Lease{slot};
  }
};

}  // namespace

TEST_CASE("a lease names its endpoint and counts until it is complete") {
  const Member member;
  Lease lease = member.lease();
  CHECK(lease);
  CHECK(lease->id == "p0");
  CHECK((*lease).id == "p0");
  CHECK(lease.id() == "p0");
  CHECK(lease.incarnation() == 3);
  CHECK(member.slot->in_flight() == 1);
  lease.complete();
  CHECK_FALSE(lease);
  CHECK(member.slot->in_flight() == 0);
  lease.complete();  // again: harmless
  CHECK(member.slot->in_flight() == 0);
}

TEST_CASE("a lease that is destroyed was cancelled: its load is released") {
  const Member member;
  {
    const Lease lease = member.lease();
  }
  CHECK(member.slot->in_flight() == 0);
}

TEST_CASE("a moved lease is released once, by its last owner") {
  const Member member;
  Lease a = member.lease();
  Lease b = std::move(a);
  CHECK(member.slot->in_flight() == 1);
  Lease c = member.lease();
  CHECK(member.slot->in_flight() == 2);
  c = std::move(b);  // what c held before is released
  CHECK(member.slot->in_flight() == 1);
  c = Lease{};
  CHECK(member.slot->in_flight() == 0);
}

TEST_CASE("a lease moved onto itself stays what it was") {
  const Member member;
  Lease lease = member.lease();
  Lease& same = lease;
  lease = std::move(same);
  CHECK(lease);
  CHECK(member.slot->in_flight() == 1);
}
