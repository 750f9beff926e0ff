// SPDX-License-Identifier: Apache-2.0
// The token table over every interleaving: leases detached and adopted by several threads at once.
#include "scheduled_atomic.hpp"

#include <pdroute/pool/detail/lease_table.hpp>

namespace {

using model::check;
using model::Watched;
using pdroute::LeaseId;
using pdroute::LeaseIdError;

/// What the table needs of a lease. Every access to it is watched, and it counts its end where it came from.
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

/// The token that a new table gives for a place, which is generation 1 in places 0, 1 and so on.
constexpr LeaseId token(std::uint64_t place, std::uint64_t generation) {
  return LeaseId{generation << 25U | place};
}

/// Two exchange the same token while a third leaves another lease, for which there is room only in the same place.
class SameTokenTwice {
 public:
  SameTokenTwice() {
    Lease lease(ends_[0]);
    check(table_.detach(std::move(lease)) == token(0, 1), "a new table takes a lease in its first place");
  }
  void first() { adopt(); }
  void second() {
    Lease lease(ends_[1]);
    left_ = table_.detach(std::move(lease)).has_value();
    check(left_ != static_cast<bool>(lease), "a lease is both in the table and outside, or nowhere");
  }
  void third() { adopt(); }
  void finish() {
    check(adopted_ == 1, "one token exchanged twice or never");
    check(ends_[0] == 1, "a lease ended twice or never");
    check(ends_[1] == (left_ ? 0 : 1), "a lease ended in the table, or lost");
    if (left_) check(table_.adopt(token(0, 2)).has_value(), "a lease left in the table cannot be adopted");
    check(ends_[1] == 1, "a lease ended twice or never");
  }

 private:
  void adopt() {
    auto lease = table_.adopt(token(0, 1));
    if (lease.has_value()) {
      ++adopted_;
      check(static_cast<bool>(*lease), "a token exchanged for an empty lease");
    } else {
      check(lease.error() == LeaseIdError::used || lease.error() == LeaseIdError::dead, "a wrong reason");
    }
  }

  Table table_{1};
  std::array<int, 2> ends_{};
  int adopted_ = 0;
  bool left_ = false;
};

/// Two try the token that the first is about to be given, as one may who guesses, or who was told in a way that orders
/// nothing.
class TokenBeforeItsTime {
 public:
  void first() {
    Lease lease(end_);
    check(table_.detach(std::move(lease)) == token(0, 1), "a new table takes a lease in its first place");
  }
  void second() { adopt(); }
  void third() { adopt(); }
  void finish() {
    check(used_ == 0 || adopted_ == 1, "a token said to be used that nobody has exchanged");
    if (adopted_ == 0) adopt();
    check(adopted_ == 1, "one token exchanged twice or never");
    check(end_ == 1, "a lease ended twice or never");
  }

 private:
  void adopt() {
    auto lease = table_.adopt(token(0, 1));
    if (lease.has_value()) {
      ++adopted_;
      check(static_cast<bool>(*lease), "a token exchanged for an empty lease");
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

/// Three want to leave a lease where there is room for one.
class FullTable {
 public:
  void first() { detach(0); }
  void second() { detach(1); }
  void third() { detach(2); }
  void finish() {
    check(left_ == 1, "more leases than places, or none");
    check(ends_[0] + ends_[1] + ends_[2] == 2, "a lease that found no room is lost");
    check(table_.adopt(token(0, 1)).has_value(), "a lease left in the table cannot be adopted");
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

/// Two give their places back at once, while the third wants a place twice.
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
      if (!tokens_[i]) detach(i);
      check(tokens_[i].has_value(), "a place given back is lost");
    }
    for (const std::size_t i : {2U, 3U}) adopt(i);
  }

 private:
  void detach(std::size_t i) {
    Lease lease(ends_[i]);
    tokens_[i] = table_.detach(std::move(lease));
  }
  void adopt(std::size_t i) {
    check(table_.adopt(*tokens_[i]).has_value(), "a lease left in the table cannot be adopted");
  }

  Table table_{2};
  std::array<int, 4> ends_{};
  std::array<std::optional<LeaseId>, 4> tokens_{};
};

/// One takes a place while another takes it too, and the next, and gives the first back: the free list looks as before
/// and is not.
class SameFreePlaceAgain {
 public:
  void first() { detach(0); }
  void second() {
    detach(1);
    detach(2);
    if (tokens_[1]) adopt(1);
  }
  void third() { check(table_.adopt(token(2, 2)).error() == LeaseIdError::unknown, "a wrong reason"); }
  void finish() {
    detach(3);
    check(tokens_[0] && tokens_[1] && tokens_[2] && tokens_[3], "a place is lost");
    check(ends_ == std::array{0, 1, 0, 0}, "two leases in one place");
    for (const std::size_t i : {0U, 2U, 3U}) adopt(i);
    check(ends_ == std::array{1, 1, 1, 1}, "a lease ended twice or never");
  }

 private:
  void detach(std::size_t i) {
    Lease lease(ends_[i]);
    tokens_[i] = table_.detach(std::move(lease));
  }
  void adopt(std::size_t i) {
    check(table_.adopt(*tokens_[i]).has_value(), "a lease left in the table cannot be adopted");
  }

  Table table_{3};
  std::array<int, 4> ends_{};
  std::array<std::optional<LeaseId>, 4> tokens_{};
};

}  // namespace

int main() {
  model::explore<SameTokenTwice>("two exchange one token while its place is wanted", 6);
  model::explore<TokenBeforeItsTime>("two try a token that is just being given out", 7);
  model::explore<FullTable>("three leave a lease where there is room for one", 30);
  model::explore<TwoPlacesGivenBack>("two places are given back while they are wanted", 150);
  model::explore<SameFreePlaceAgain>("a place is taken, given back and taken again", 200);
}
