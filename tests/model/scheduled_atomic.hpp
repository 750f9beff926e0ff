// SPDX-License-Identifier: Apache-2.0
// For tests only: the pdroute headers that are included after this one use ScheduledAtomic in place of std::atomic.
//
// A program may not declare names in namespace std. This header does it all the same, so that the tests run the
// library's own code and not a copy. It includes all standard headers of pdroute first, so that the macro changes
// pdroute alone.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "scheduler.hpp"

namespace model {

/// The part of std::atomic that pdroute uses. At each operation another thread may get the turn.
template <class T>
class ScheduledAtomic {
 public:
  ScheduledAtomic(T value = 0) noexcept { atomic_begins(this, value); }
  ScheduledAtomic(const ScheduledAtomic&) = delete;
  ScheduledAtomic& operator=(const ScheduledAtomic&) = delete;
  ~ScheduledAtomic() { atomic_ends(this); }

  [[nodiscard]] T load(std::memory_order order) const noexcept { return static_cast<T>(atomic_load(this, order)); }
  void store(T value, std::memory_order order) noexcept { atomic_store(this, value, order); }
  T fetch_add(T value, std::memory_order order) noexcept {
    return update([value](T old) { return static_cast<T>(old + value); }, order);
  }
  T fetch_sub(T value, std::memory_order order) noexcept {
    return update([value](T old) { return static_cast<T>(old - value); }, order);
  }
  T fetch_or(T value, std::memory_order order) noexcept {
    return update([value](T old) { return static_cast<T>(old | value); }, order);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
    std::uint64_t value = expected;
    const bool exchanged = atomic_compare_exchange(this, value, desired, success, failure);
    expected = static_cast<T>(value);
    return exchanged;
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
    return compare_exchange_strong(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order) noexcept {
    return compare_exchange_strong(expected, desired, order, on_failure(order));
  }

 private:
  template <class F>
  T update(F change, std::memory_order order) noexcept {
    return static_cast<T>(
        atomic_update(this, [change](std::uint64_t old) { return change(static_cast<T>(old)); }, order));
  }
  static constexpr std::memory_order on_failure(std::memory_order order) {
    return order == std::memory_order_acq_rel   ? std::memory_order_acquire
           : order == std::memory_order_release ? std::memory_order_relaxed
                                                : order;
  }
};

}  // namespace model

namespace std {
using ::model::ScheduledAtomic;
}  // namespace std

#define atomic ScheduledAtomic
// These are not modelled. The compiler refuses them, so that pdroute cannot use them unnoticed.
#pragma GCC poison atomic_thread_fence atomic_ref atomic_flag
