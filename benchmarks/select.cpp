// SPDX-License-Identifier: Apache-2.0
// Benchmarks of a policy's choice alone, over a plain vector. Nothing is reserved or released.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/request.hpp>
#include <vector>

#include "suite.hpp"

namespace {

struct Candidate : pdroute::RequestRate {
  Candidate() : RequestRate(std::chrono::seconds{60}) {}
};

template <class Policy>
class Select {
 public:
  explicit Select(std::size_t n) : candidates_(n) {
    // The rates are at most one arrival apart, as after a policy that evens them out.
    const auto now = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < n; i += 2) candidates_[i].record(now);
  }

  class Worker {
   public:
    Worker(const Select& world, std::uint64_t stream)
        : world_(&world), context_(world.policy_, std::chrono::steady_clock{}, 0, stream) {}

    void operator()(std::size_t decisions) {
      for (std::size_t k = 0; k < decisions; ++k) {
        std::size_t index = world_->policy_.select(world_->candidates_, pdroute::Request{}, context_).value();
        benchmark::DoNotOptimize(index);
      }
    }

   private:
    const Select* world_;
    pdroute::LocalContext<Policy> context_;
  };

  [[nodiscard]] Worker worker(int thread) const { return {*this, static_cast<std::uint64_t>(thread)}; }

 private:
  Policy policy_;
  std::vector<Candidate> candidates_;
};

}  // namespace

void bench::add_selects(Suite& suite) {
  suite.add<Select<pdroute::RoundRobinPolicy<>>>("select/round_robin");
  suite.add<Select<pdroute::RoundRobinPolicy<pdroute::Rotation::per_dispatcher>>>("select/round_robin_per_dispatcher");
  suite.add<Select<pdroute::RandomPolicy<>>>("select/random");
  suite.add<Select<pdroute::QpsPolicy<>>>("select/qps");
}
