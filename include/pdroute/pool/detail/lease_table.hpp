// SPDX-License-Identifier: Apache-2.0
// LeaseTable: leases that the router keeps for the caller, each named by an integer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/pool/lease_id.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The time of a lease that was detached without one; later than every time.
inline constexpr std::int64_t no_time = std::numeric_limits<std::int64_t>::max();

/// The time at which a lease is detached, for the table.
template <class TimePoint>
[[nodiscard]] constexpr std::int64_t detached_at(const std::optional<TimePoint>& now) noexcept {
  return now ? detail::nanoseconds_of(detail::in_range(*now)) : no_time;
}

/// A bounded table of detached leases of one role. A lease in it holds its place on its endpoint; the leases that are
/// left when the table is destroyed are cancelled.
///
/// A lease id is a place in the table and the generation of that place, so it is exchanged at most once, however many
/// threads try. The state of a place is one word: its generation, and whether it holds a lease.
///
/// Generations count from 1 to 2^37 - 1 and then again from 1. In an id, the number of the first one differs from table
/// to table, so that another router's id names a generation that this table has not reached.
///
///     operation            | never used        | holds, generation g        | was adopted, generation g
///     ---------------------+-------------------+----------------------------+--------------------------
///     detach               | holds, g + 1      | takes another place        | holds, g + 1
///     adopt(id of g)       | `unknown`         | free; returns the lease    | `used`
///     adopt(id before g)   | -                 | `dead`                     | `dead`
///     adopt(id after g)    | `unknown`         | `unknown`                  | `unknown`
///
/// Guarantees. Exactly one `adopt` of an id returns the lease. A full table leaves the lease with the caller. An
/// operation that fails changes nothing. An id is given again only after its place has been used 2^37 - 1 times.
///
/// Complexity: O(1); `ids`: O(places). Memory: about 32 bytes a place, allocated at construction.
/// Thread safety: all members may be called from many threads at once; lock-free.
template <class Lease>
class LeaseTable {
 public:
  static constexpr std::uint32_t max_places = std::uint32_t{1} << 24U;

  static constexpr std::uint64_t max_generation = (std::uint64_t{1} << 37U) - 1;

  /// `mark` tells the router's ids from those of others. Precondition: places <= max_places.
  explicit LeaseTable(std::uint32_t places, std::uint64_t mark = 0)
      : places_(std::make_unique<Place[]>(places)), size_(places), first_(mark & max_generation) {
    for (std::uint32_t i = places; i > 0; --i) push(i - 1);
  }

  /// Takes the lease, detached at `since`, and returns its id. If the table is full or the lease holds nothing, leaves
  /// the lease where it is and returns nothing.
  [[nodiscard]] std::optional<LeaseId> detach(Lease&& lease, std::int64_t since = no_time) noexcept {
    if (!lease) return std::nullopt;
    const std::optional<std::uint32_t> free = pop();
    if (!free) return std::nullopt;
    Place& place = places_[*free];
    place.lease = std::move(lease);
    // Relaxed: no other thread writes the state of a place that is not in the free list and holds no lease.
    const std::uint64_t last = place.state.load(std::memory_order_relaxed) >> 1U;
    const std::uint64_t generation = last < max_generation ? last + 1 : 1;
    // Release: a thread that reads this time for the lease before sees that it was adopted, see `ids`.
    place.since.store(since, std::memory_order_release);
    // Release: the thread that adopts sees the lease.
    place.state.store((generation << 1U) | holding, std::memory_order_release);
    return id_of(*free, generation);
  }

  /// Exchanges an id for its lease.
  [[nodiscard]] Result<Lease, LeaseIdError> adopt(LeaseId id) noexcept {
    const auto value = static_cast<std::uint64_t>(id);
    const std::uint64_t index = value & (max_places - 1);
    const std::uint64_t generation = ((value >> generation_shift) - first_) & max_generation;
    if (value >> id_shift != 1 || generation == 0 || index >= size_) return LeaseIdError::unknown;
    if ((value & one_role) != role_bit) return LeaseIdError::other_role;
    Place& place = places_[index];
    std::uint64_t state = (generation << 1U) | holding;
    // Acquire: the lease as it was detached. Relaxed on failure: the state alone says why.
    if (!place.state.compare_exchange_strong(state, generation << 1U, std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
      const std::uint64_t present = state >> 1U;
      return present < generation    ? LeaseIdError::unknown
             : present == generation ? LeaseIdError::used
                                     : LeaseIdError::dead;
    }
    Lease lease = std::move(place.lease);
    push(static_cast<std::uint32_t>(index));
    return lease;
  }

  /// The ids of the leases that are here and were detached at or before this time; of all, if it is `no_time`. A lease
  /// that is detached or adopted meanwhile may be among them or not.
  [[nodiscard]] std::vector<LeaseId> ids(std::int64_t until = no_time) const {
    std::vector<LeaseId> ids;
    for (std::uint32_t i = 0; i < size_; ++i) {
      const Place& place = places_[i];
      // Acquire, both: the time is that of this lease if the state has not changed after the time was read.
      const std::uint64_t state = place.state.load(std::memory_order_acquire);
      if ((state & holding) == 0 || place.since.load(std::memory_order_acquire) > until) continue;
      if (place.state.load(std::memory_order_relaxed) == state) ids.push_back(id_of(i, state >> 1U));
    }
    return ids;
  }

 private:
  struct Place {
    std::atomic<std::uint64_t> state{0};  // generation, and in the lowest bit whether the lease is there
    std::atomic<std::int64_t> since{0};   // when the lease was detached
    std::atomic<std::uint32_t> next{0};   // in the free list
    Lease lease;
  };
  static constexpr std::uint64_t holding = 1;
  static constexpr std::uint64_t one_role = max_places;  // the bit above the index
  static constexpr std::uint64_t role_bit = Lease::role == Role::decode ? one_role : 0;
  static constexpr unsigned generation_shift = 25;
  static constexpr unsigned id_shift = 62;  // one above the generation: every id has this bit, so that none is zero

  /// From the lowest bit: the place, the role, the generation, and a one.
  [[nodiscard]] LeaseId id_of(std::uint32_t index, std::uint64_t generation) const noexcept {
    const std::uint64_t shown = (generation + first_) & max_generation;
    return LeaseId{(std::uint64_t{1} << id_shift) | (shown << generation_shift) | role_bit | index};
  }

  // The word `free_`, the free list. Low 32 bits: index of the first place plus one; high 32 bits: a change counter
  // against ABA.

  void push(std::uint32_t index) noexcept {
    std::uint64_t head = free_.load(std::memory_order_relaxed);
    do {
      places_[index].next.store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
      // Release: the thread that takes the place finds it empty.
    } while (!free_.compare_exchange_weak(head, changed(head) | (index + 1), std::memory_order_release,
                                          std::memory_order_relaxed));
  }
  [[nodiscard]] std::optional<std::uint32_t> pop() noexcept {
    // Acquire: the place as `push` left it, here and when the exchange fails.
    std::uint64_t head = free_.load(std::memory_order_acquire);
    for (;;) {
      const auto first = static_cast<std::uint32_t>(head);
      if (first == 0) return std::nullopt;
      const std::uint64_t rest = changed(head) | places_[first - 1].next.load(std::memory_order_relaxed);
      // Release: the next thread to pop, which reads this head, also sees what `push` wrote before.
      if (free_.compare_exchange_weak(head, rest, std::memory_order_acq_rel, std::memory_order_acquire))
        return first - 1;
    }
  }
  [[nodiscard]] static std::uint64_t changed(std::uint64_t head) noexcept { return ((head >> 32U) + 1) << 32U; }

  std::unique_ptr<Place[]> places_;
  std::uint32_t size_;
  std::uint64_t first_;                             // what ids show for generation 0
  alignas(64) std::atomic<std::uint64_t> free_{0};  // its own line: every detach and adopt writes it
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
