// SPDX-License-Identifier: Apache-2.0
// Tokens and KvTokens: what the leases of an endpoint weigh together, under a limit.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/capacity.hpp>

namespace pdroute::inline v0 {

namespace detail {

/// A sum that reservations never take above its limit.
/// Thread safety: all members may be called from many threads at once; lock-free.
class CappedSum {
 public:
  [[nodiscard]] std::uint64_t value() const noexcept { return sum_.load(std::memory_order_relaxed); }
  void set_limit(std::optional<std::uint64_t> limit) noexcept {
    limit_.store(limit.value_or(none), std::memory_order_relaxed);
  }
  [[nodiscard]] bool has_room(std::uint64_t amount) const noexcept { return fits(value(), amount); }

  // Relaxed throughout: the endpoint's own count orders what holders do; here only the sum matters.

  [[nodiscard]] bool try_add(std::uint64_t amount) noexcept {
    std::uint64_t seen = value();
    do {
      if (!fits(seen, amount)) return false;
    } while (!sum_.compare_exchange_weak(seen, seen + amount, std::memory_order_relaxed));
    return true;
  }
  /// Beyond the limit if need be, but never beyond the type; returns what was added.
  std::uint64_t grow(std::uint64_t amount) noexcept {
    std::uint64_t seen = value();
    std::uint64_t added = 0;
    do {
      added = std::min(amount, none - seen);
    } while (!sum_.compare_exchange_weak(seen, seen + added, std::memory_order_relaxed));
    return added;
  }
  void subtract(std::uint64_t amount) noexcept { sum_.fetch_sub(amount, std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

  [[nodiscard]] bool fits(std::uint64_t sum, std::uint64_t amount) const noexcept {
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
    return sum <= limit && amount <= limit - sum;
  }

  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> limit_{none};
};

}  // namespace detail

/// A load metric: the tokens that the leases of an endpoint hold, of the kind that `member` of `Weight` counts. A
/// lease holds its weight from the choice to its end, more if `Lease::progress` says so.
/// Reservations never take the sum above the endpoint's limit; progress may.
/// Thread safety: all members may be called from many threads at once; lock-free.
template <std::uint64_t Weight::* member>
class TokenCount {
 public:
  struct Options {};
  /// What one lease holds.
  struct Held {
    std::uint64_t amount = 0;
  };

  TokenCount() = default;
  explicit TokenCount(Options /*options*/) noexcept {}

  [[nodiscard]] bool has_room(const Weight& weight) const noexcept { return sum_.has_room(weight.*member); }
  [[nodiscard]] bool try_hold(const Weight& weight, Held& held) noexcept {
    if (!sum_.try_add(weight.*member)) return false;
    held.amount = weight.*member;
    return true;
  }
  void grow(Held& held, std::uint64_t tokens) noexcept { held.amount += sum_.grow(tokens); }
  void let_go(Held& held) noexcept {
    sum_.subtract(held.amount);
    held.amount = 0;
  }

 protected:
  detail::CappedSum sum_;
};

/// Tokens to be computed: for prefill, the uncached tokens of all prompts that wait or run.
class Tokens : public TokenCount<&Weight::tokens> {
 public:
  using TokenCount::TokenCount;
  [[nodiscard]] std::uint64_t tokens() const noexcept { return sum_.value(); }
  void set_capacity(const Capacity& capacity) noexcept { sum_.set_limit(capacity.tokens); }
};

/// Tokens whose keys and values the endpoint keeps, including those that are reserved and have yet to arrive.
class KvTokens : public TokenCount<&Weight::kv_tokens> {
 public:
  using TokenCount::TokenCount;
  [[nodiscard]] std::uint64_t kv_tokens() const noexcept { return sum_.value(); }
  void set_capacity(const Capacity& capacity) noexcept { sum_.set_limit(capacity.kv_tokens); }
};

}  // namespace pdroute::inline v0
