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
#include <cstring>
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
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>, "the model keeps one word each");

 public:
  ScheduledAtomic(T value = {}) noexcept { atomic_begins(this, word(value)); }
  ScheduledAtomic(const ScheduledAtomic&) = delete;
  ScheduledAtomic& operator=(const ScheduledAtomic&) = delete;
  ~ScheduledAtomic() { atomic_ends(this); }

  [[nodiscard]] T load(std::memory_order order) const noexcept { return value(atomic_load(this, order)); }
  void store(T value, std::memory_order order) noexcept { atomic_store(this, word(value), order); }
  T exchange(T value, std::memory_order order) noexcept {
    return update([value](T) { return value; }, order);
  }
  T fetch_add(T value, std::memory_order order) noexcept {
    return update([value](T old) { return static_cast<T>(old + value); }, order);
  }
  T fetch_sub(T value, std::memory_order order) noexcept {
    return update([value](T old) { return static_cast<T>(old - value); }, order);
  }
  T fetch_or(T value, std::memory_order order) noexcept {
    return update([value](T old) { return static_cast<T>(old | value); }, order);
  }
  T fetch_and(T value, std::memory_order order) noexcept {
    return update([value](T old) { return static_cast<T>(old & value); }, order);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
    std::uint64_t seen = word(expected);
    const bool exchanged = atomic_compare_exchange(this, seen, word(desired), success, failure);
    expected = value(seen);
    return exchanged;
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order) noexcept {
    return compare_exchange_strong(expected, desired, order, on_failure(order));
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
    return value(atomic_update(this, [change](std::uint64_t old) { return word(change(value(old))); }, order));
  }
  static std::uint64_t word(const T& value) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof(T));
    return word;
  }
  static T value(std::uint64_t word) noexcept {
    T value{};
    std::memcpy(static_cast<void*>(&value), &word, sizeof(T));
    return value;
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
