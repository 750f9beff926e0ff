// SPDX-License-Identifier: Apache-2.0
// Replays a trace through a router in virtual time. Only this file compiles the router.
#include "simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <utility>
#include <vector>

namespace replay {

namespace {

/// The KV tokens that a request holds at its decode endpoint in the end.
std::uint64_t kv_tokens(const TraceRequest& request) {
  return request.prompt_tokens + request.output_tokens;
}

std::vector<EndpointShare> no_shares(const Fleet& fleet, pdroute::Role role) {
  std::vector<EndpointShare> shares;
  shares.reserve(fleet.size());
  for (std::size_t i = 0; i < fleet.size(); ++i) shares.push_back({.id = fleet.id(i), .role = role});
  return shares;
}

void count(EndpointShare& share, std::uint64_t tokens) {
  ++share.requests;
  share.tokens += tokens;
}

/// The tokens at the endpoints that can be chosen now: maximum and mean. Precondition: there is such an endpoint.
struct Queues {
  explicit Queues(const Fleet& fleet) {
    std::uint64_t sum = 0;
    std::uint64_t endpoints = 0;
    for (const ReplayEndpoint& member : fleet.members()) {
      if (member.life->draining) continue;
      max = std::max(max, member.life->tokens);
      sum += member.life->tokens;
      ++endpoints;
    }
    mean = static_cast<double>(sum) / static_cast<double>(endpoints);
  }

  std::uint64_t max = 0;
  double mean = 0;
};

void count(Outstanding& outstanding, const Queues& queues, const Life& chosen) {
  ++outstanding.requests;
  outstanding.max += static_cast<double>(queues.max);
  outstanding.mean += queues.mean;
  outstanding.ahead += static_cast<double>(chosen.tokens);
}

}  // namespace

Simulation::Simulation(const Trace& trace, const ChurnSchedule& churn, Fleet prefill, Fleet decode,
                       examples::ConfiguredPolicy prefill_policy, examples::ConfiguredPolicy decode_policy,
                       std::uint64_t seed)
    : trace_(trace),
      churn_(churn),
      prefill_(std::move(prefill)),
      decode_(std::move(decode)),
      router_(Router::create({.prefill = prefill_.members(),
                              .decode = decode_.members(),
                              .prefill_policy = prefill_policy,
                              .decode_policy = decode_policy,
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

Outcome Simulation::run(Progress& progress) && {
  for (std::size_t i = 0; i < trace_.size(); ++i) {
    pass_until(trace_[i].arrival);
    route(i);
    progress.show(i + 1, trace_.size());
  }
  pass_until(Time::max());
  outcome_.in_flight_end = in_flight(Role::prefill) + in_flight(Role::decode);
  {  // The router remembers removed endpoints, and a lease that is left keeps its endpoint alive without it.
    const auto last_dispatcher = std::move(dispatcher_);
    const auto last_router = std::move(router_);
  }
  outcome_.in_flight_end += prefill_.strays() + decode_.strays();
  outcome_.cost = timer_.cost();
  return std::move(outcome_);
}

void Simulation::pass_until(Time moment) {
  for (; next_churn_ < churn_.size() && churn_[next_churn_].at <= moment; ++next_churn_) {
    const ChurnEvent& event = churn_[next_churn_];
    take_steps_until(event.at);
    clock_.set(event.at);
    apply(event);
  }
  take_steps_until(moment);
  clock_.set(moment);
}

void Simulation::take_steps_until(Time moment) {
  while (!due_.empty() && due_.top().at <= moment) {
    const Due due = due_.top();
    due_.pop();
    clock_.set(due.at);
    switch (due.step) {
      case Step::end_prefill: end_prefill(due.request); break;
      case Step::grow_decode: grow_decode(due.request); break;
      case Step::end_decode: end_decode(due.request); break;
    }
  }
}

// In the steps below, a lease is empty if its request was cancelled before.

void Simulation::end_prefill(std::size_t i) {
  auto& lease = running_[i].prefill;
  if (!lease) return;
  lease->life->leave(trace_[i].prompt_tokens);
  lease.complete(clock_.now());
}

void Simulation::end_decode(std::size_t i) {
  auto& lease = running_[i].decode;
  if (!lease) return;
  lease->life->leave(kv_tokens(trace_[i]));
  lease.complete(clock_.now());
}

void Simulation::grow_decode(std::size_t i) {
  if (!running_[i].decode) return;
  running_[i].decode.progress(tokens_per_report);
  running_[i].generated += tokens_per_report;
  expect_growth(i);
}

void Simulation::expect_growth(std::size_t i) {
  const Running& running = running_[i];
  const std::uint64_t next = running.generated + tokens_per_report;
  if (next >= trace_[i].output_tokens) return;  // the lease ends before the next report
  due_.push({running.decode_begin + decode_time(next, running.batch), i, Step::grow_decode});
}

void Simulation::apply(const ChurnEvent& event) {
  if (event.kind == ChurnEvent::Kind::cancel) return cancel(event.number);
  Fleet& fleet = event.role == Role::prefill ? prefill_ : decode_;
  switch (event.kind) {
    case ChurnEvent::Kind::drain:
      fleet.drain(event.number);
      router_.drain(event.role, fleet.id(event.number));
      return;
    case ChurnEvent::Kind::remove: fleet.remove(event.number); break;
    case ChurnEvent::Kind::restore: fleet.restore(event.number); break;
    case ChurnEvent::Kind::cancel: break;
  }
  static_cast<void>(router_.assign(event.role, fleet.members()).value());
}

void Simulation::cancel(std::size_t i) {
  Running& running = running_[i];
  if (!running.prefill && !running.decode) return;
  ++outcome_.cancelled;
  if (running.prefill) running.prefill->life->leave(trace_[i].prompt_tokens);
  if (running.decode) running.decode->life->leave(kv_tokens(trace_[i]));
  running = {};  // destroys the leases that are left, which cancels them
}

void Simulation::route(std::size_t i) {
  const TraceRequest& request = trace_[i];
  const pdroute::Request facts{.prompt_tokens = request.prompt_tokens, .key = request.key};
  auto route = timer_.time([&] { return dispatcher_.route(facts); });
  if (!route) {
    ++outcome_.unrouted[fmt::format("{}", route.error())];
    return;
  }
  Running& running = running_[i];
  running = {.prefill = std::move(route->prefill), .decode = std::move(route->decode)};
  Life& prefill = *running.prefill->life;
  Life& decode = *running.decode->life;
  count(outcome_.prefill[prefill.number], request.prompt_tokens);
  count(outcome_.decode[decode.number], request.output_tokens);
  count(outcome_.prefill_outstanding, Queues{prefill_}, prefill);
  count(outcome_.decode_outstanding, Queues{decode_}, decode);

  prefill.enter(request.prompt_tokens);
  decode.enter(kv_tokens(request));
  running.batch = {.requests = decode.requests, .kv_tokens = decode.tokens};
  // Prompts are computed one after the other. The wait is bounded, so that 64-bit nanoseconds do not overflow.
  constexpr std::chrono::hours longest_wait{24 * 365 * 10};
  prefill.free_at = std::clamp(prefill.free_at, request.arrival, request.arrival + longest_wait) +
                    prefill_time(request.prompt_tokens);
  running.decode_begin = prefill.free_at + transfer_time(request.prompt_tokens);
  due_.push({prefill.free_at, i, Step::end_prefill});
  expect_growth(i);
  due_.push({running.decode_begin + decode_time(request.output_tokens, running.batch), i, Step::end_decode});
}

std::uint64_t Simulation::in_flight(Role role) const {
  std::uint64_t sum = 0;
  for (const auto& endpoint : router_.endpoints(role)) sum += endpoint.in_flight;
  return sum;
}

}  // namespace replay
