// SPDX-License-Identifier: Apache-2.0
// Replays a trace through a router in virtual time, holding each lease as long as the request is predicted to run.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

#include "churn.hpp"
#include "decision_timer.hpp"
#include "fleet.hpp"
#include "outcome.hpp"
#include "progress.hpp"
#include "service_time.hpp"
#include "trace.hpp"

namespace replay {

/// For one run. Time stands still while a request is routed; between two arrivals, leases end and churn happens in
/// order of their moments, ends first, equal ones in order of arrival.
template <class PrefillPolicy, class DecodePolicy>
class Simulation {
  using Router = pdroute::DisaggregatedRouter<PrefillPolicy, DecodePolicy, ReplayEndpoint, pdroute::ManualClock>;
  using Dispatcher = typename Router::Dispatcher;

 public:
  Simulation(const Trace& trace, const ChurnSchedule& churn, Fleet prefill, Fleet decode, PrefillPolicy prefill_policy,
             DecodePolicy decode_policy, std::uint64_t seed)
      : trace_(trace),
        churn_(churn),
        prefill_(std::move(prefill)),
        decode_(std::move(decode)),
        router_(Router::create({.prefill = prefill_.members(),
                                .decode = decode_.members(),
                                .prefill_policy = std::move(prefill_policy),
                                .decode_policy = std::move(decode_policy),
                                .clock = clock_,
                                .seed = seed})
                    .value()),
        dispatcher_(router_.dispatcher()),
        running_(trace.size()),
        timer_(trace.size()) {
    outcome_.requests = trace.size();
    outcome_.prefill = no_shares(prefill_, Role::prefill);
    outcome_.decode = no_shares(decode_, Role::decode);
  }

  [[nodiscard]] Outcome run(Progress& progress) && {
    for (std::size_t i = 0; i < trace_.size(); ++i) {
      pass_until(trace_[i].arrival);
      route(i);
      progress.show(i + 1, trace_.size());
    }
    pass_until(Time::max());
    dispatcher_.refresh();  // it would keep removed endpoints alive
    outcome_.in_flight_end = in_flight(Role::prefill) + in_flight(Role::decode) + prefill_.strays() + decode_.strays();
    outcome_.cost = timer_.cost();
    return std::move(outcome_);
  }

 private:
  using Time = std::chrono::nanoseconds;
  using Role = pdroute::Role;

  struct Running {
    typename Router::PrefillLease prefill;
    typename Router::DecodeLease decode;
  };

  /// A lease that is due to end. Equal moments: in order of arrival, prefill first.
  struct Due {
    Time at;
    std::size_t request;
    Role role;

    friend bool operator>(const Due& a, const Due& b) {
      return std::tie(a.at, a.request, a.role) > std::tie(b.at, b.request, b.role);
    }
  };

  static std::vector<EndpointShare> no_shares(const Fleet& fleet, Role role) {
    std::vector<EndpointShare> shares;
    for (std::size_t i = 0; i < fleet.size(); ++i) shares.push_back({.id = fleet.id(i), .role = role});
    return shares;
  }

  void pass_until(Time moment) {
    for (; next_churn_ < churn_.size() && churn_[next_churn_].at <= moment; ++next_churn_) {
      const ChurnEvent& event = churn_[next_churn_];
      end_leases_until(event.at);
      clock_.set(event.at);
      apply(event);
    }
    end_leases_until(moment);
    clock_.set(moment);
  }

  void end_leases_until(Time moment) {
    for (; !due_.empty() && due_.top().at <= moment; due_.pop()) {
      const Due& due = due_.top();
      due.role == Role::prefill ? running_[due.request].prefill.complete() : end_decode(due.request);
    }
  }

  void end_decode(std::size_t i) {
    auto& lease = running_[i].decode;
    if (!lease) return;  // cancelled
    lease->life->batch.requests -= 1;
    lease->life->batch.kv_tokens -= kv_tokens(trace_[i]);
    lease.complete();
  }

  void apply(const ChurnEvent& event) {
    if (event.kind == ChurnEvent::Kind::cancel) return cancel(event.number);
    Fleet& fleet = event.role == Role::prefill ? prefill_ : decode_;
    switch (event.kind) {
      case ChurnEvent::Kind::drain: router_.drain(event.role, fleet.id(event.number)); return;
      case ChurnEvent::Kind::remove: fleet.remove(event.number); break;
      case ChurnEvent::Kind::restore: fleet.restore(event.number); break;
      case ChurnEvent::Kind::cancel: break;
    }
    static_cast<void>(router_.assign(event.role, fleet.members()).value());
  }

  void cancel(std::size_t i) {
    if (!running_[i].prefill && !running_[i].decode) return;
    ++outcome_.cancelled;
    end_decode(i);
    running_[i] = {};  // destroys what is left
  }

  void route(std::size_t i) {
    const TraceRequest& request = trace_[i];
    auto route = timer_.time([&] { return dispatcher_.route({.prompt_tokens = request.prompt_tokens}); });
    if (!route) {
      ++outcome_.unrouted[fmt::format("{}", route.error())];
      return;
    }
    Running& running = running_[i];
    running = {std::move(route->prefill), std::move(route->decode)};
    count(outcome_.prefill[running.prefill->life->number], request.prompt_tokens);
    count(outcome_.decode[running.decode->life->number], request.output_tokens);

    DecodeBatch& batch = running.decode->life->batch;
    batch.requests += 1;
    batch.kv_tokens += kv_tokens(request);
    const Time first_token = request.arrival + prefill_time(request.prompt_tokens);
    due_.push({first_token, i, Role::prefill});
    due_.push({first_token + transfer_time(request.prompt_tokens) + decode_time(request.output_tokens, batch), i,
               Role::decode});
  }

  static void count(EndpointShare& share, std::uint64_t tokens) {
    ++share.requests;
    share.tokens += tokens;
  }
  static std::uint64_t kv_tokens(const TraceRequest& request) { return request.prompt_tokens + request.output_tokens; }

  [[nodiscard]] std::uint64_t in_flight(Role role) const {
    std::uint64_t sum = 0;
    for (const auto& endpoint : router_.endpoints(role)) sum += endpoint.in_flight;
    return sum;
  }

  const Trace& trace_;
  const ChurnSchedule& churn_;
  Fleet prefill_;
  Fleet decode_;
  pdroute::ManualClock clock_;
  Router router_;
  Dispatcher dispatcher_;
  std::vector<Running> running_;  // by request; empty before and after
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::size_t next_churn_ = 0;
  DecisionTimer timer_;
  Outcome outcome_;
};

}  // namespace replay
