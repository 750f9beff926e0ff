// SPDX-License-Identifier: Apache-2.0
// The lease table under every interleaving of three threads that detach and adopt leases at once.
#include "scheduled_atomic.hpp"

#include <pdroute/pool/detail/lease_table.hpp>

namespace {

using model::check;
using model::Watched;
using pdroute::LeaseId;
using pdroute::LeaseIdError;

/// A lease with only what the table needs. Every access to it is watched. Its end is counted in the int that it was
/// made with.
class Lease {
 public:
  static constexpr pdroute::Role role = pdroute::Role::prefill;

  Lease() noexcept = default;
  explicit Lease(int& ends) noexcept : ends_(&ends) {}
  Lease(Lease&& other) noexcept : ends_(other.take()) {}
  Lease& operator=(Lease&& other) noexcept {
    cancel();
    ends_ = other.take();
    return *this;
  }
  ~Lease() { cancel(); }

  explicit operator bool() const noexcept {
    memory_.read();
    return ends_ != nullptr;
  }

 private:
  int* take() noexcept {
    memory_.write();
    return std::exchange(ends_, nullptr);
  }
  void cancel() noexcept {
    if (int* ends = take()) ++*ends;
  }

  Watched memory_;
  int* ends_ = nullptr;
};
using Table = pdroute::detail::LeaseTable<Lease>;

/// The lease id for a place and a generation, in a table without a mark. A new table gives generation 1 in places 0, 1
/// and so on.
constexpr LeaseId lease_id(std::uint64_t place, std::uint64_t generation) {
  return LeaseId{std::uint64_t{1} << 62U | generation << 25U | place};
}

/// Two threads exchange the same lease id while a third detaches another lease. The only room for that lease is the
/// same place.
class SameLeaseIdTwice {
 public:
  SameLeaseIdTwice() {
    Lease lease(ends_[0]);
    check(table_.detach(std::move(lease)) == lease_id(0, 1), "a new table takes a lease in its first place");
  }
  void first() { adopt(); }
  void second() {
    Lease lease(ends_[1]);
    left_ = table_.detach(std::move(lease)).has_value();
    check(left_ != static_cast<bool>(lease), "a lease is both in the table and outside, or nowhere");
  }
  void third() { adopt(); }
  void finish() {
    check(adopted_ == 1, "one lease id exchanged twice or never");
    check(ends_[0] == 1, "a lease ended twice or never");
    check(ends_[1] == (left_ ? 0 : 1), "a lease ended in the table, or lost");
    if (left_) check(table_.adopt(lease_id(0, 2)).has_value(), "a lease left in the table cannot be adopted");
    check(ends_[1] == 1, "a lease ended twice or never");
  }

 private:
  void adopt() {
    auto lease = table_.adopt(lease_id(0, 1));
    if (lease.has_value()) {
      ++adopted_;
      check(static_cast<bool>(*lease), "a lease id exchanged for an empty lease");
    } else {
      check(lease.error() == LeaseIdError::used || lease.error() == LeaseIdError::dead, "a wrong reason");
    }
  }

  Table table_{1};
  std::array<int, 2> ends_{};
  int adopted_ = 0;
  bool left_ = false;
};

/// Two threads try the lease id that the first thread is about to get. A thread may have guessed it, or read it without
/// any ordering.
class LeaseIdBeforeItIsGiven {
 public:
  void first() {
    Lease lease(end_);
    check(table_.detach(std::move(lease)) == lease_id(0, 1), "a new table takes a lease in its first place");
  }
  void second() { adopt(); }
  void third() { adopt(); }
  void finish() {
    check(used_ == 0 || adopted_ == 1, "a lease id is said to be used, but no thread has exchanged it");
    if (adopted_ == 0) adopt();
    check(adopted_ == 1, "one lease id exchanged twice or never");
    check(end_ == 1, "a lease ended twice or never");
  }

 private:
  void adopt() {
    auto lease = table_.adopt(lease_id(0, 1));
    if (lease.has_value()) {
      ++adopted_;
      check(static_cast<bool>(*lease), "a lease id exchanged for an empty lease");
    } else {
      check(lease.error() == LeaseIdError::unknown || lease.error() == LeaseIdError::used, "a wrong reason");
      if (lease.error() == LeaseIdError::used) ++used_;
    }
  }

  Table table_{1};
  int end_ = 0;
  int adopted_ = 0;
  int used_ = 0;
};

/// Three threads detach a lease each, and the table has room for one.
class FullTable {
 public:
  void first() { detach(0); }
  void second() { detach(1); }
  void third() { detach(2); }
  void finish() {
    check(left_ == 1, "more leases than places, or none");
    check(ends_[0] + ends_[1] + ends_[2] == 2, "a lease that found no room is lost");
    check(table_.adopt(lease_id(0, 1)).has_value(), "a lease left in the table cannot be adopted");
    check(ends_ == std::array{1, 1, 1}, "a lease ended twice or never");
  }

 private:
  void detach(std::size_t i) {
    Lease lease(ends_[i]);
    const std::optional<LeaseId> given = table_.detach(std::move(lease));
    check(given.has_value() != static_cast<bool>(lease), "a lease is both in the table and outside, or nowhere");
    if (given) ++left_;
  }

  Table table_{1};
  std::array<int, 3> ends_{};
  int left_ = 0;
};

/// Two threads adopt at once, which gives two places back, while the third detaches two leases.
class TwoPlacesGivenBack {
 public:
  TwoPlacesGivenBack() {
    for (std::size_t i = 0; i < 2; ++i) detach(i);
  }
  void first() { adopt(0); }
  void second() {
    detach(2);
    detach(3);
  }
  void third() { adopt(1); }
  void finish() {
    check(ends_[0] == 1 && ends_[1] == 1, "a lease ended twice or never");
    for (const std::size_t i : {2U, 3U}) {
      if (!ids_[i]) detach(i);
      check(ids_[i].has_value(), "a place given back is lost");
    }
    for (const std::size_t i : {2U, 3U}) adopt(i);
  }

 private:
  void detach(std::size_t i) {
    Lease lease(ends_[i]);
    ids_[i] = table_.detach(std::move(lease));
  }
  void adopt(std::size_t i) {
    check(table_.adopt(*ids_[i]).has_value(), "a lease left in the table cannot be adopted");
  }

  Table table_{2};
  std::array<int, 4> ends_{};
  std::array<std::optional<LeaseId>, 4> ids_{};
};

/// The ABA problem of the free list. One thread takes a place. Meanwhile another takes that place and the next one, and
/// gives the first back: the head of the list is the same place again, but the list is not the same.
class SameFreePlaceAgain {
 public:
  void first() { detach(0); }
  void second() {
    detach(1);
    detach(2);
    if (ids_[1]) adopt(1);
  }
  void third() { check(table_.adopt(lease_id(2, 2)).error() == LeaseIdError::unknown, "a wrong reason"); }
  void finish() {
    detach(3);
    check(ids_[0] && ids_[1] && ids_[2] && ids_[3], "a place is lost");
    check(ends_ == std::array{0, 1, 0, 0}, "two leases in one place");
    for (const std::size_t i : {0U, 2U, 3U}) adopt(i);
    check(ends_ == std::array{1, 1, 1, 1}, "a lease ended twice or never");
  }

 private:
  void detach(std::size_t i) {
    Lease lease(ends_[i]);
    ids_[i] = table_.detach(std::move(lease));
  }
  void adopt(std::size_t i) {
    check(table_.adopt(*ids_[i]).has_value(), "a lease left in the table cannot be adopted");
  }

  Table table_{3};
  std::array<int, 4> ends_{};
  std::array<std::optional<LeaseId>, 4> ids_{};
};

}  // namespace

int main() {
  model::explore<SameLeaseIdTwice>("two exchange one lease id while a third needs its place", 6);
  model::explore<LeaseIdBeforeItIsGiven>("two try a lease id while it is being given", 7);
  model::explore<FullTable>("three detach a lease and the table has room for one", 30);
  model::explore<TwoPlacesGivenBack>("two places are given back while a third thread takes places", 150);
  model::explore<SameFreePlaceAgain>("a place is taken, given back and taken again", 200);
}
