// SPDX-License-Identifier: Apache-2.0
// Load metrics of time: how long requests took on an endpoint lately.
#pragma once

#include <chrono>
#include <cstdint>
#include <pdroute/clock.hpp>
#include <pdroute/load/detail/ewma.hpp>
#include <pdroute/load/estimate.hpp>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// What the metrics of this header have in common. A lease keeps when it began; a sample is taken when it ends well, or
/// at its first token.
class LeaseTime {
 public:
  using Options = EwmaOptions;
  struct Held {
    std::int64_t begin = 0;  // nanoseconds of the caller's clock
  };

  explicit LeaseTime(EwmaOptions fading) noexcept : average_(fading) {}

  template <class Clock, class Duration>
  void begin(Held& held, std::chrono::time_point<Clock, Duration> now) const noexcept {
    held.begin = nanoseconds_of(now);
  }
  // A metric samples at one of these and hides it.
  template <class TimePoint>
  void first_token(const Held& /*held*/, TimePoint /*now*/) const noexcept {}
  template <class TimePoint>
  void complete(const Held& /*held*/, TimePoint /*now*/) const noexcept {}

 protected:
  void sample(const Held& held, std::int64_t now, Ewma::Rises rises) noexcept {
    average_.add(static_cast<double>(now - held.begin) * 1e-9, now, rises);
  }

  Ewma average_;
};

}  // namespace detail

/// Seconds from the choice to the end of a lease that was completed: for prefill, to the first token. An average over
/// time in which old samples fade. Failures and cancels are no samples: an endpoint that refuses everything at once is
/// not fast.
/// Thread safety: all members may be called from many threads at once; lock-free.
class Latency : public detail::LeaseTime {
 public:
  using LeaseTime::LeaseTime;
  template <class TimePoint>
  void complete(const Held& held, TimePoint now) noexcept {
    sample(held, detail::nanoseconds_of(now), detail::Ewma::Rises::slowly);
  }
  template <class TimePoint>
  [[nodiscard]] Estimate latency(TimePoint now) const noexcept {
    return average_.at(detail::nanoseconds_of(now));
  }
};

/// The same, except that a sample above the average takes its place at once: what is slow now counts now, and is
/// forgiven slowly.
/// Source: peak EWMA, as in Finagle, Linkerd and Tower.
class PeakLatency : public detail::LeaseTime {
 public:
  using LeaseTime::LeaseTime;
  template <class TimePoint>
  void complete(const Held& held, TimePoint now) noexcept {
    sample(held, detail::nanoseconds_of(now), detail::Ewma::Rises::at_once);
  }
  template <class TimePoint>
  [[nodiscard]] Estimate peak_latency(TimePoint now) const noexcept {
    return average_.at(detail::nanoseconds_of(now));
  }
};

/// Seconds from the choice to the first token that the lease is told of: for a decode endpoint, which ends its leases
/// with the last token, or for one that does both. (A prefill lease is complete with the first token: `Latency`.)
class TimeToFirstToken : public detail::LeaseTime {
 public:
  using LeaseTime::LeaseTime;
  template <class TimePoint>
  void first_token(const Held& held, TimePoint now) noexcept {
    sample(held, detail::nanoseconds_of(now), detail::Ewma::Rises::slowly);
  }
  template <class TimePoint>
  [[nodiscard]] Estimate time_to_first_token(TimePoint now) const noexcept {
    return average_.at(detail::nanoseconds_of(now));
  }
};

}  // namespace v0
}  // namespace pdroute
