// SPDX-License-Identifier: Apache-2.0
// Tutorial, step 5: a load metric of your own, read by a cost of your own.
#include <atomic>
#include <cstdint>
#include <iostream>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct Engine {
  std::string id;
};

/// A load metric: how many long prompts the leases of one endpoint hold.
class LongPromptCount {
 public:
  struct Options {
    std::uint64_t from = 4000;  ///< tokens that make a prompt long
  };
  /// What one lease keeps until it ends.
  struct Held {
    bool is_long = false;
  };

  explicit LongPromptCount(const Options& options) noexcept : from_(options.from) {}

  // The hooks of a metric of which leases hold a part (concept HoldsDemand). The router calls them.
  [[nodiscard]] bool has_room(const pdroute::Demand& /*demand*/) const noexcept { return true; }  // no limit
  [[nodiscard]] bool try_hold(const pdroute::Demand& demand, Held& held) noexcept {
    held.is_long = demand.tokens >= from_;
    if (held.is_long) count_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  void grow(Held& /*held*/, std::uint64_t /*tokens*/) noexcept {}
  void let_go(Held& held) noexcept {
    if (std::exchange(held.is_long, false)) count_.fetch_sub(1, std::memory_order_relaxed);
  }
  void set_capacity(const pdroute::Capacity& /*capacity*/) noexcept {}

  // What costs and policies read from a candidate.
  [[nodiscard]] std::uint32_t long_prompts() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  std::uint64_t from_;
  std::atomic<std::uint32_t> count_{0};
};
static_assert(pdroute::HoldsDemand<LongPromptCount>);

/// A cost: the number of long prompts at the candidate.
struct LongPrompts {
  static constexpr std::string_view name = "long_prompts";
  std::uint64_t from = 4000;

  using Load = LongPromptCount;
  [[nodiscard]] Load::Options load_options() const { return {.from = from}; }
  [[nodiscard]] auto operator()(const auto& candidate) const { return candidate.long_prompts(); }
};

// Few long prompts first; where candidates are equal in that, few requests.
using Prefill = pdroute::LowestCostPolicy<pdroute::Lexicographic<LongPrompts, pdroute::InFlight>>;
using Router = pdroute::DisaggregatedRouter<Prefill, pdroute::RoundRobinPolicy<>, Engine>;

int main() {
  const std::vector<Engine> prefill{{"p0"}, {"p1"}};
  const std::vector<Engine> decode{{"d0"}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();

  std::vector<Router::Route> running;
  for (const unsigned tokens : {9000U, 100U, 200U, 5000U, 300U}) {
    running.push_back(dispatcher.route({.prompt_tokens = tokens}).value());
    std::cout << tokens << " tokens: " << running.back().prefill.id() << '\n';
  }
  running.front().first_token();
  std::cout << dispatcher.explain({.prompt_tokens = 7000}).prefill.text() << '\n';
}
