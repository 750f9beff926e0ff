// SPDX-License-Identifier: Apache-2.0
// Replays a trace through a router in virtual time. Each lease is held for the predicted duration of its request.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <pdroute/manual_clock.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <queue>
#include <tuple>
#include <vector>

#include "churn.hpp"
#include "decision_timer.hpp"
#include "fleet.hpp"
#include "outcome.hpp"
#include "policies_by_name.hpp"
#include "progress.hpp"
#include "service_time.hpp"
#include "trace.hpp"

namespace replay {

/// Runs once. Time stands still while a request is routed. Between two arrivals, leases grow and end and churn happens,
/// all in order of time. At one moment, leases come before churn, and leases are in order of arrival.
class Simulation {
 public:
  Simulation(const Trace& trace, const ChurnSchedule& churn, Fleet prefill, Fleet decode,
             examples::ConfiguredPolicy prefill_policy, examples::ConfiguredPolicy decode_policy, std::uint64_t seed);

  [[nodiscard]] Outcome run(Progress& progress) &&;

 private:
  using Time = std::chrono::nanoseconds;
  using Role = pdroute::Role;
  using Router = pdroute::DisaggregatedRouter<examples::ConfiguredPolicy, examples::ConfiguredPolicy, ReplayEndpoint,
                                              pdroute::ManualClock>;

  struct Running {
    Router::PrefillLease prefill;
    Router::DecodeLease decode;
    Time decode_begin{};
    DecodeBatch batch{};          ///< the batch that it has joined
    std::uint64_t generated = 0;  ///< the tokens that were reported to the router
  };

  /// The next step of a lease.
  enum class Step : std::uint8_t { end_prefill, grow_decode, end_decode };
  struct Due {
    Time at;
    std::size_t request;
    Step step;

    friend bool operator>(const Due& a, const Due& b) {
      return std::tie(a.at, a.request, a.step) > std::tie(b.at, b.request, b.step);
    }
  };

  void pass_until(Time moment);
  void take_steps_until(Time moment);
  void end_prefill(std::size_t i);
  void end_decode(std::size_t i);
  void grow_decode(std::size_t i);
  void expect_growth(std::size_t i);
  void apply(const ChurnEvent& event);
  void cancel(std::size_t i);
  void route(std::size_t i);
  [[nodiscard]] std::uint64_t in_flight(Role role) const;

  const Trace& trace_;
  const ChurnSchedule& churn_;
  Fleet prefill_;
  Fleet decode_;
  pdroute::ManualClock clock_;
  Router router_;
  Router::Dispatcher dispatcher_;
  std::vector<Running> running_;  // by request; empty before it is routed and after it ends
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::size_t next_churn_ = 0;
  DecisionTimer timer_;
  Outcome outcome_;
};

}  // namespace replay
