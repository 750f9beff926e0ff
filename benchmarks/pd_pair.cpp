// SPDX-License-Identifier: Apache-2.0
// Benchmarks of a whole decision: choose and reserve a prefill and a decode endpoint, and release the pair of 32
// decisions ago.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/cost/report_costs.hpp>
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/policy/peak_ewma.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/rendezvous.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/policy/weighted_round_robin.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "floor.hpp"
#include "suite.hpp"

namespace {

struct Endpoint {
  std::string id;
};
/// An endpoint with limits. They are tested at every choice and never reached.
struct CappedEndpoint {
  std::string id;
  pdroute::Capacity capacity = {.requests = 1000};
};

/// What routes: a dispatcher for each thread, or the router's internal one for all threads.
enum class Via { dispatcher, router };
/// Whether requests have keys; a keyed one belongs to one of a thousand sessions.
enum class Requests { plain, keyed };

template <class PrefillPolicy, class DecodePolicy, Via via = Via::dispatcher, class Endpoint = ::Endpoint,
          Requests requests = Requests::plain>
class PdPair {
  using Router = pdroute::DisaggregatedRouter<PrefillPolicy, DecodePolicy, Endpoint>;

 public:
  explicit PdPair(std::size_t n) : router_(router_over(endpoints('p', n), endpoints('d', n))) {}

  template <class Source>
  class Worker {
   public:
    explicit Worker(Source source) : source_(std::forward<Source>(source)) {}

    void operator()(std::size_t decisions) {
      for (std::size_t k = 0; k < decisions; ++k) {
        auto route = next(k);
        auto& oldest = outstanding_[k % outstanding_.size()];
        end(oldest);
        if (route) oldest = std::move(*route);
      }
    }

   private:
    auto next([[maybe_unused]] std::size_t k) {
      if constexpr (requests == Requests::keyed) {
        return source_.route(pdroute::Request{.key = pdroute::key(std::uint64_t{k % 1000})});
      } else {
        return source_.route();
      }
    }
    static void end(typename Router::Route& route) {
      if constexpr (Router::PrefillLease::measures_time || Router::DecodeLease::measures_time) {
        route.complete(std::chrono::steady_clock::now());
      } else {
        route.complete();
      }
    }

    Source source_;
    std::array<typename Router::Route, 32> outstanding_;
  };

  auto worker(int /*thread*/) {
    if constexpr (via == Via::dispatcher) {
      return Worker<typename Router::Dispatcher>(router_.dispatcher());
    } else {
      return Worker<Router&>(router_);
    }
  }

 private:
  static std::vector<Endpoint> endpoints(char role, std::size_t n) {
    std::vector<Endpoint> list;
    for (std::size_t i = 0; i < n; ++i) list.push_back(Endpoint{role + std::to_string(i)});
    return list;
  }
  static Router router_over(const std::vector<Endpoint>& prefill, const std::vector<Endpoint>& decode) {
    return Router::create({.prefill = prefill, .decode = decode}).value();
  }

  Router router_;
};

using RoundRobin = pdroute::RoundRobinPolicy<>;
using RoundRobinPerDispatcher = pdroute::RoundRobinPolicy<pdroute::Rotation::per_dispatcher>;
using Random = pdroute::RandomPolicy<>;
using Qps = pdroute::QpsPolicy<>;
using TwoChoices = pdroute::PowerOfTwoChoicesPolicy<>;
using LeastRequests = pdroute::LeastRequestPolicy;
using LeastTokens = pdroute::LeastTokensPolicy;
using LeastKv = pdroute::LeastKvPolicy;
using Weighted = pdroute::WeightedRoundRobinPolicy;
using Rendezvous = pdroute::RendezvousPolicy<>;
using PeakEwma = pdroute::PeakEwmaPolicy;
using Reported = pdroute::PowerOfTwoChoicesPolicy<pdroute::ReportedRequests>;

}  // namespace

void bench::add_pd_pairs(Suite& suite) {
  suite.add<floor::World<floor::TwoChoices>>("floor/pd_pair/two_choices");
  suite.add<floor::World<floor::FullScan>>("floor/pd_pair/full_scan");
  suite.add<PdPair<RoundRobin, RoundRobin>>("pd_pair/round_robin/round_robin");
  suite.add<PdPair<RoundRobinPerDispatcher, RoundRobinPerDispatcher>>(
      "pd_pair/round_robin_per_dispatcher/round_robin_per_dispatcher");
  suite.add<PdPair<Random, Random>>("pd_pair/random/random");
  suite.add<PdPair<Qps, Qps>>("pd_pair/qps/qps");
  suite.add<PdPair<RoundRobin, Qps>>("pd_pair/round_robin/qps");
  suite.add<PdPair<Random, Qps>>("pd_pair/random/qps");
  suite.add<PdPair<Qps, Random>>("pd_pair/qps/random");
  suite.add<PdPair<TwoChoices, TwoChoices>>("pd_pair/two_choices/two_choices");
  suite.add<PdPair<LeastRequests, LeastRequests>>("pd_pair/least_requests/least_requests");
  suite.add<PdPair<LeastTokens, LeastKv>>("pd_pair/least_tokens/least_kv");
  suite.add<PdPair<Weighted, Weighted>>("pd_pair/weighted_round_robin/weighted_round_robin");
  suite.add<PdPair<Rendezvous, Rendezvous, Via::dispatcher, Endpoint, Requests::keyed>>(
      "pd_pair/rendezvous/rendezvous");
  suite.add<PdPair<PeakEwma, PeakEwma>>("pd_pair/peak_ewma/peak_ewma");
  suite.add<PdPair<Reported, Reported>>("pd_pair/reported_requests/reported_requests");
  suite.add<PdPair<Random, Random, Via::dispatcher, CappedEndpoint>>("pd_pair_capped/random/random");
  suite.add<PdPair<RoundRobin, RoundRobin, Via::dispatcher, CappedEndpoint>>("pd_pair_capped/round_robin/round_robin");
  suite.add<PdPair<RoundRobin, RoundRobin, Via::router>>("pd_pair_shared/round_robin/round_robin");
}
