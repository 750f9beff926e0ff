// SPDX-License-Identifier: Apache-2.0
// ExpectedRequests: the requests of other gateways at each candidate, with typical numbers where they are unknown.
#pragma once

#include <cstddef>
#include <pdroute/load/estimate.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The running and waiting requests of other gateways at a candidate. A number that is unknown of it counts as the mean
/// over the candidates of which it is known, or as zero if there is none.
template <class TimePoint>
class ExpectedRequests {
 public:
  /// Computes the means.
  template <class Compared>
  ExpectedRequests(const Compared& compared, TimePoint now) : now_(now) {
    Mean both;
    for (std::size_t i = 0; i < compared.size(); ++i) {
      both.add(compared[i].requests_of_others(now));
      in_parts_ = in_parts_ || compared[i].requests_known_in_part();
    }
    typical_ = both.value();
    if (in_parts_) [[unlikely]]
      parts_ = typical_parts(compared, now);
  }
  /// The number at the candidate.
  [[nodiscard]] double operator()(const auto& candidate) const {
    if (in_parts_) [[unlikely]]
      return sum_of_parts(candidate, now_, parts_);
    const Estimate both = candidate.requests_of_others(now_);
    return typical_ + both.weight * (both.value - typical_);
  }

 private:
  class Mean {
   public:
    void add(const Estimate& estimate) noexcept {
      sum_ += estimate.weight * estimate.value;
      weights_ += estimate.weight;
    }
    [[nodiscard]] double value() const noexcept { return weights_ > 0 ? sum_ / weights_ : 0; }

   private:
    double sum_ = 0;
    double weights_ = 0;
  };

  struct Parts {
    double running = 0;
    double waiting = 0;
  };

  // Out of line: nearly always both numbers of an engine are known, or none. Static, so that this object can stay in
  // registers.
  template <class Compared>
  [[nodiscard, gnu::noinline, gnu::cold]] static Parts typical_parts(const Compared& compared, TimePoint now) {
    Mean running;
    Mean waiting;
    for (std::size_t i = 0; i < compared.size(); ++i) {
      running.add(compared[i].running_of_others(now));
      waiting.add(compared[i].waiting_of_others(now));
    }
    return {running.value(), waiting.value()};
  }
  template <class Candidate>
  [[nodiscard, gnu::noinline, gnu::cold]] static double sum_of_parts(const Candidate& candidate, TimePoint now,
                                                                     Parts typical) {
    const Estimate running = candidate.running_of_others(now);
    const Estimate waiting = candidate.waiting_of_others(now);
    return (running.weight > 0 ? running.value : typical.running) +
           (waiting.weight > 0 ? waiting.value : typical.waiting);
  }

  TimePoint now_;
  double typical_ = 0;
  bool in_parts_ = false;
  Parts parts_;
};

template <class Compared, class TimePoint>
ExpectedRequests(const Compared&, TimePoint) -> ExpectedRequests<TimePoint>;

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
