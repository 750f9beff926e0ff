// SPDX-License-Identifier: Apache-2.0
// Latency, PeakLatency, TimeToFirstToken: load metrics that measure how long recent requests took on an endpoint.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <pdroute/clock.hpp>
#include <pdroute/load/detail/ewma.hpp>
#include <pdroute/load/estimate.hpp>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// The common part of the metrics of this header. A lease stores when it began. A metric takes a sample when the lease
/// is complete, or at its first token.
class LeaseTime {
 public:
  using Options = EwmaOptions;  ///< how fast samples fade
  /// What a lease stores.
  struct Held {
    std::int64_t begin = 0;  ///< when it began, in nanoseconds of the caller's clock
  };

  /// Without samples at first: unknown.
  explicit LeaseTime(EwmaOptions fading) noexcept : average_(fading) {}

  /// Hook of `TimesLeases`: the endpoint has been chosen and reserved.
  template <class Clock, class Duration>
  void begin(Held& held, std::chrono::time_point<Clock, Duration> now) const noexcept {
    held.begin = nanoseconds_of(now);
  }
  // A metric takes its samples at one of the next two hooks, by a member of its own that hides the empty one here.

  /// Hook of `TimesLeases`: the first token has come. Does nothing.
  template <class TimePoint>
  void first_token(const Held& /*held*/, TimePoint /*now*/) const noexcept {}
  /// Hook of `TimesLeases`: the lease is complete. Does nothing.
  template <class TimePoint>
  void complete(const Held& /*held*/, TimePoint /*now*/) const noexcept {}

 protected:
  /// Adds the time since the lease began, in seconds. Adds nothing if the clock has stepped back behind that moment.
  void sample(const Held& held, std::int64_t now, Ewma::Rises rises) noexcept {
    if (now < held.begin) return;
    // Unsigned, because a signed difference may overflow. One of more than 292 years becomes negative and is ignored.
    const auto taken =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(now) - static_cast<std::uint64_t>(held.begin));
    average_.add(static_cast<double>(taken) * 1e-9, now, rises);
  }

  Ewma average_;  ///< of seconds
};

}  // namespace detail

/// A load metric: mean latency as an exponentially weighted moving average (EWMA) over time, in seconds. A sample is
/// the time from the choice to the completion of a lease; for prefill that is the time to the first token. Failures and
/// cancels give no samples, because an endpoint that refuses every request at once is not fast.
/// Thread safety: all members may be called from many threads at once; lock-free.
class Latency : public detail::LeaseTime {
 public:
  using LeaseTime::LeaseTime;
  /// Hook of `TimesLeases`: the lease is complete. Takes a sample.
  template <class TimePoint>
  void complete(const Held& held, TimePoint now) noexcept {
    sample(held, detail::nanoseconds_of(now), detail::Ewma::Rises::slowly);
  }
  /// The average in seconds; unknown before the first sample. Its weight falls from 1 to 0 as the newest sample grows
  /// old: after 4.2 decays it is forgotten.
  template <class TimePoint>
  [[nodiscard]] Estimate latency(TimePoint now) const noexcept {
    return average_.at(detail::nanoseconds_of(now));
  }
};

/// A load metric: peak EWMA of latency, in seconds. Samples are those of `Latency`. A sample above the average replaces
/// it at once; a sample below moves it down slowly. So an endpoint that becomes slow counts as slow at once and
/// recovers over time.
/// Source: peak EWMA, as in Finagle, Linkerd and Tower.
/// Thread safety: all members may be called from many threads at once; lock-free.
class PeakLatency : public detail::LeaseTime {
 public:
  using LeaseTime::LeaseTime;
  /// Hook of `TimesLeases`: the lease is complete. Takes a sample.
  template <class TimePoint>
  void complete(const Held& held, TimePoint now) noexcept {
    sample(held, detail::nanoseconds_of(now), detail::Ewma::Rises::at_once);
  }
  /// The average in seconds; unknown before the first sample. Its weight falls from 1 to 0 as the newest sample grows
  /// old: after 4.2 decays it is forgotten.
  template <class TimePoint>
  [[nodiscard]] Estimate peak_latency(TimePoint now) const noexcept {
    return average_.at(detail::nanoseconds_of(now));
  }
};

/// A load metric: mean time to first token as an exponentially weighted moving average (EWMA) over time, in seconds. A
/// sample is the time from the choice to the first call of `Lease::first_token`; further calls give none. Use it for
/// decode leases, which end with the last token. A prefill lease is complete with the first token, so `Latency`
/// measures the same there.
/// Thread safety: all members may be called from many threads at once; lock-free.
class TimeToFirstToken : public detail::LeaseTime {
 public:
  using LeaseTime::LeaseTime;
  /// Hook of `TimesLeases`: the first token has come. Takes a sample, once for each lease.
  template <class TimePoint>
  void first_token(Held& held, TimePoint now) noexcept {
    sample(held, detail::nanoseconds_of(now), detail::Ewma::Rises::slowly);
    held.begin = std::numeric_limits<std::int64_t>::max();  // every later call is before it, and gives no sample
  }
  /// The average in seconds; unknown before the first sample. Its weight falls from 1 to 0 as the newest sample grows
  /// old: after 4.2 decays it is forgotten.
  template <class TimePoint>
  [[nodiscard]] Estimate time_to_first_token(TimePoint now) const noexcept {
    return average_.at(detail::nanoseconds_of(now));
  }
};

}  // namespace v0
}  // namespace pdroute
