// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/lease_table.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/load/token_count.hpp>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "pool/member.hpp"

namespace {

using pdroute::LeaseId;
using pdroute::LeaseIdError;
using pdroute::Outcomes;
using pdroute::Role;
using Prefill = Member<Role::prefill>;
using Decode = Member<Role::decode>;
using PrefillTable = pdroute::detail::LeaseTable<Prefill::Lease>;
using DecodeTable = pdroute::detail::LeaseTable<Decode::Lease>;

constexpr std::uint64_t number(LeaseId id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace

TEST_CASE("a detached lease counts as in flight, and its id adopts the same lease again") {
  const Prefill a{"a"};
  const Prefill b{"b"};
  PrefillTable table{4};
  auto lease = a.lease();
  const auto id_a = table.detach(std::move(lease));
  const auto id_b = table.detach(b.lease());
  REQUIRE((id_a && id_b));
  CHECK_FALSE(lease);  // NOLINT(bugprone-use-after-move): the table has taken it
  CHECK(a.slot->in_flight() == 1);
  auto back = table.adopt(*id_a);
  REQUIRE(back);
  CHECK((*back)->id == "a");
  back->complete();
  CHECK(table.adopt(*id_b).value()->id == "b");
  CHECK(a.slot->outcomes() == Outcomes{.completed = 1});
  CHECK(b.slot->outcomes() == Outcomes{.cancelled = 1});
}

TEST_CASE("a detached lease keeps its demand") {
  using Counted = Member<Role::decode, pdroute::KvTokens>;
  const Counted member;
  pdroute::detail::LeaseTable<Counted::Lease> table{1};
  const auto id = table.detach(member.lease({.prompt_tokens = 100})).value();
  CHECK(member.slot->kv_tokens() == 100);
  auto lease = table.adopt(id).value();
  lease.progress(11);
  CHECK(member.slot->kv_tokens() == 111);
  lease.complete();
  CHECK(member.slot->kv_tokens() == 0);
}

TEST_CASE("a full table refuses a lease, which stays with the caller") {
  const Prefill member;
  PrefillTable table{2};
  const auto first = table.detach(member.lease());
  const auto second = table.detach(member.lease());
  REQUIRE((first && second));
  auto third = member.lease();
  CHECK_FALSE(table.detach(std::move(third)));
  CHECK(third);  // NOLINT(bugprone-use-after-move): it was refused
  CHECK(member.slot->in_flight() == 3);
  REQUIRE(table.adopt(*first));
  CHECK(table.detach(std::move(third)));
  CHECK_FALSE(table.detach(member.lease()));
}

TEST_CASE("a table without places refuses every lease and knows no id") {
  const Prefill member;
  PrefillTable table{0};
  auto lease = member.lease();
  CHECK_FALSE(table.detach(std::move(lease)));
  CHECK(lease);  // NOLINT(bugprone-use-after-move): it was refused
  CHECK(table.adopt(LeaseId{std::uint64_t{1} << 62U | std::uint64_t{1} << 25U}).error() == LeaseIdError::unknown);
}

TEST_CASE("an empty lease is refused and uses no place") {
  const Prefill member;
  PrefillTable table{1};
  CHECK_FALSE(table.detach(Prefill::Lease{}));
  auto ended = member.lease();
  ended.complete();
  CHECK_FALSE(table.detach(std::move(ended)));
  CHECK(table.detach(member.lease()));
}

TEST_CASE("an adopted id is used, and it is dead once its place holds another lease") {
  const Prefill member;
  PrefillTable table{1};
  const auto first = table.detach(member.lease()).value();
  REQUIRE(table.adopt(first));
  CHECK(table.adopt(first).error() == LeaseIdError::used);
  CHECK(table.adopt(first).error() == LeaseIdError::used);
  const auto second = table.detach(member.lease()).value();
  CHECK(table.adopt(first).error() == LeaseIdError::dead);
  CHECK(member.slot->in_flight() == 1);
  REQUIRE(table.adopt(second));
  CHECK(table.adopt(second).error() == LeaseIdError::used);
  CHECK(table.adopt(first).error() == LeaseIdError::dead);
}

TEST_CASE("an id of the other role is refused as such, in both directions") {
  const Prefill prefill;
  const Decode decode;
  PrefillTable prefill_table{3};
  DecodeTable decode_table{3};
  const auto of_prefill = prefill_table.detach(prefill.lease()).value();
  const auto of_decode = decode_table.detach(decode.lease()).value();
  CHECK(decode_table.adopt(of_prefill).error() == LeaseIdError::other_role);
  CHECK(prefill_table.adopt(of_decode).error() == LeaseIdError::other_role);
  CHECK(prefill_table.adopt(of_prefill));
  CHECK(decode_table.adopt(of_decode));
}

TEST_CASE("lease ids are distinct and positive as signed integers, however often a place is reused") {
  const Prefill prefill;
  const Decode decode;
  PrefillTable prefill_table{3};
  DecodeTable decode_table{3};
  std::set<std::int64_t> seen;
  for (int i = 0; i < 500; ++i) {
    const auto p = prefill_table.detach(prefill.lease()).value();
    const auto d = decode_table.detach(decode.lease()).value();
    seen.insert(static_cast<std::int64_t>(p));
    seen.insert(static_cast<std::int64_t>(d));
    REQUIRE(prefill_table.adopt(p));
    REQUIRE(decode_table.adopt(d));
  }
  CHECK(seen.size() == 1000);
  CHECK(*seen.begin() > 0);
}

TEST_CASE("lease ids are positive and exchanged, whatever the generation of their place") {
  const Prefill member;
  for (const std::uint64_t mark : {std::uint64_t{0}, PrefillTable::max_generation, PrefillTable::max_generation - 1,
                                   ~std::uint64_t{0}, std::uint64_t{1} << 36U}) {
    PrefillTable table{1, mark};
    std::optional<LeaseId> last;
    for (int i = 0; i < 3; ++i) {  // the numbers in the ids pass their end
      const auto id = table.detach(member.lease()).value();
      CHECK(static_cast<std::int64_t>(number(id)) > 0);
      if (last) CHECK(table.adopt(*last).error() == LeaseIdError::dead);
      CHECK(table.adopt(id));
      CHECK(table.adopt(id).error() == LeaseIdError::used);
      last = id;
    }
  }
}

TEST_CASE("a lease id of a table with another mark is unknown") {
  const Prefill member;
  PrefillTable ours{4, 0x1234'5678'9abc'def0U};
  PrefillTable theirs{4, 0x0fed'cba9'8765'4321U};
  const auto of_ours = ours.detach(member.lease()).value();
  const auto of_theirs = theirs.detach(member.lease()).value();
  CHECK(of_ours != of_theirs);
  CHECK(ours.adopt(of_theirs).error() == LeaseIdError::unknown);
  CHECK(theirs.adopt(of_ours).error() == LeaseIdError::unknown);
  CHECK(ours.adopt(of_ours));
  CHECK(theirs.adopt(of_theirs));
}

TEST_CASE("the ids of lost leases are listed by the time at which they were detached") {
  const Prefill member;
  PrefillTable table{4, 99};
  const auto early = table.detach(member.lease(), 10).value();
  const auto late = table.detach(member.lease(), 20).value();
  const auto timeless = table.detach(member.lease()).value();
  CHECK(table.ids(9).empty());
  CHECK(table.ids(10) == std::vector{early});
  CHECK(table.ids(20) == std::vector{early, late});
  CHECK(table.ids(std::numeric_limits<std::int64_t>::max() - 1) == std::vector{early, late});
  CHECK(table.ids() == std::vector{early, late, timeless});
  REQUIRE(table.adopt(early));
  CHECK(table.ids() == std::vector{late, timeless});
  const auto again = table.detach(member.lease(), 30).value();  // in the place of the first
  CHECK(table.ids(29) == std::vector{late});
  CHECK(table.ids(30) == std::vector{again, late});
}

TEST_CASE("a forged lease id is refused and changes nothing") {
  const Decode member;
  DecodeTable table{5};
  std::vector<LeaseId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(table.detach(member.lease()).value());
  const std::uint64_t real = number(ids[2]);

  std::vector<std::uint64_t> forged{0, std::numeric_limits<std::uint64_t>::max(),
                                    std::uint64_t{std::numeric_limits<std::int64_t>::max()}};
  for (unsigned bit = 0; bit < 64; ++bit) {
    forged.push_back(std::uint64_t{1} << bit);
    forged.push_back(~(std::uint64_t{1} << bit));
    forged.push_back(real ^ (std::uint64_t{1} << bit));
  }
  const auto given_out = [&](std::uint64_t value) {
    for (const LeaseId id : ids) {
      if (number(id) == value) return true;
    }
    return false;
  };
  for (const std::uint64_t value : forged) {
    if (given_out(value)) continue;
    INFO("lease id " << value);
    const auto adopted = table.adopt(LeaseId{value});
    REQUIRE_FALSE(adopted);
    CHECK((adopted.error() == LeaseIdError::unknown || adopted.error() == LeaseIdError::other_role));
  }
  CHECK(table.adopt(LeaseId{0}).error() == LeaseIdError::unknown);
  CHECK(table.adopt(LeaseId{std::numeric_limits<std::uint64_t>::max()}).error() == LeaseIdError::unknown);
  CHECK(member.slot->in_flight() == 5);
  for (const LeaseId id : ids) CHECK(table.adopt(id));
}

TEST_CASE("a table is destroyed, the leases left in it are cancelled") {
  const Prefill member;
  {
    PrefillTable table{3};
    const auto first = table.detach(member.lease());
    const auto second = table.detach(member.lease());
    REQUIRE((first && second));
    table.adopt(*first).value().complete();
    CHECK(member.slot->in_flight() == 1);
  }
  CHECK(member.slot->in_flight() == 0);
  CHECK(member.slot->outcomes() == Outcomes{.completed = 1, .cancelled = 1});
}

TEST_CASE("each lease id error has a text of its own") {
  const std::set<std::string_view> texts{to_string(LeaseIdError::unknown), to_string(LeaseIdError::used),
                                         to_string(LeaseIdError::dead), to_string(LeaseIdError::other_role)};
  CHECK(texts.size() == 4);
  CHECK(texts.count("") == 0);
}

TEST_CASE("threads adopt the same ids at once, each lease is adopted exactly once") {
  constexpr std::size_t leases = 2000;
  const Prefill member;
  PrefillTable table{leases};
  std::vector<LeaseId> ids;
  for (std::size_t i = 0; i < leases; ++i) ids.push_back(table.detach(member.lease()).value());
  std::vector<std::atomic<int>> adopted(leases);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < leases; ++i) {
        auto lease = table.adopt(ids[i]);
        if (lease) {
          ++adopted[i];
          lease->complete();
        } else if (lease.error() != LeaseIdError::used) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  for (const auto& times : adopted) REQUIRE(times == 1);
  CHECK(member.slot->outcomes() == Outcomes{.completed = leases});
}

TEST_CASE("threads share a small table, each gets its own leases back and none is lost") {
  constexpr int rounds = 5000;
  const std::array<Prefill, 4> members;
  PrefillTable table{5};  // four threads with three leases each would need twelve places
  std::atomic<int> wrong = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (const Prefill& member : members) {
    threads.emplace_back([&] {
      std::array<std::optional<LeaseId>, 3> ids;
      for (int i = 0; i < rounds; ++i) {
        for (auto& id : ids) {
          Prefill::Slot::Held held{};
          Prefill::Lease lease{member.slot->try_reserve(pdroute::Request{}, held).place};
          id = table.detach(std::move(lease));
          if (id.has_value() == static_cast<bool>(lease)) ++wrong;  // NOLINT(bugprone-use-after-move)
          if (!id) ++refused;
          lease.complete();
        }
        for (const auto& id : ids) {
          if (!id) continue;
          auto lease = table.adopt(*id);
          if (!lease || &**lease != &member.slot->endpoint()) {
            ++wrong;
          } else {
            lease->complete();
          }
          const auto again = table.adopt(*id);
          if (again || (again.error() != LeaseIdError::used && again.error() != LeaseIdError::dead)) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  for (const Prefill& member : members) CHECK(member.slot->outcomes() == Outcomes{.completed = 3 * rounds});
  for (int i = 0; i < 5; ++i) CHECK(table.detach(members[0].lease()));  // every place is free again
}
