// SPDX-License-Identifier: Apache-2.0
// Refusals: how often a role had no endpoint, and why.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <pdroute/no_endpoint.hpp>

namespace pdroute {
inline namespace v0 {

/// The routing calls that found no endpoint in one role. For each reason of `NoEndpoint`: the number of refused calls
/// in which it ruled out at least one endpoint. A call can have several reasons.
struct Refusals {
  std::uint64_t requests = 0;      ///< refused calls; each try counts
  std::uint64_t unhealthy = 0;     ///< calls for which an endpoint was unhealthy
  std::uint64_t paused = 0;        ///< calls for which an endpoint was paused
  std::uint64_t draining = 0;      ///< calls for which an endpoint was draining
  std::uint64_t ejected = 0;       ///< calls for which outlier detection had ejected an endpoint
  std::uint64_t bound_only = 0;    ///< calls for which an endpoint took bound sessions only
  std::uint64_t excluded = 0;      ///< calls for which the request excluded an endpoint
  std::uint64_t disallowed = 0;    ///< calls for which the request did not allow an endpoint
  std::uint64_t incompatible = 0;  ///< calls for which an endpoint did not fit the one chosen first
  std::uint64_t too_large = 0;     ///< calls that an endpoint could not have held even if it were idle
  std::uint64_t full = 0;          ///< calls for which an endpoint was full
  std::uint64_t declined = 0;      ///< calls for which the policy chose none

  /// Calls `visit(name, requests)` for each of the reasons above, zero or not.
  template <class Visit>
  constexpr void each_reason(Visit&& visit) const {
    visit("unhealthy", unhealthy);
    visit("paused", paused);
    visit("draining", draining);
    visit("ejected", ejected);
    visit("bound_only", bound_only);
    visit("excluded", excluded);
    visit("disallowed", disallowed);
    visit("incompatible", incompatible);
    visit("too_large", too_large);
    visit("full", full);
    visit("declined", declined);
  }

  friend bool operator==(const Refusals&, const Refusals&) = default;
};

namespace detail {

/// Thread safety: all members may be called from many threads at once; lock-free.
class RefusalCounts {
 public:
  void record(const NoEndpoint& reason) noexcept {
    add(0);
    std::size_t place = 0;
    reason.each_reason([&](const char* /*name*/, std::uint32_t endpoints) {
      ++place;
      if (endpoints > 0) add(place);
    });
  }
  [[nodiscard]] Refusals so_far() const noexcept {
    std::size_t place = 0;
    const auto next = [&] { return counts_[place++].load(std::memory_order_relaxed); };
    return {next(), next(), next(), next(), next(), next(), next(), next(), next(), next(), next(), next()};
  }

 private:
  void add(std::size_t place) noexcept { counts_[place].fetch_add(1, std::memory_order_relaxed); }

  std::array<std::atomic<std::uint64_t>, 12> counts_{};
};

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
