// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/with_metrics.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/request.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <string>
#include <tuple>
#include <type_traits>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::KvTokens;
using pdroute::Loads;
using pdroute::NoLoad;
using pdroute::QpsPolicy;
using pdroute::RandomPolicy;
using pdroute::RateWindow;
using pdroute::RequestRate;
using pdroute::Role;
using pdroute::RoundRobinPolicy;
using pdroute::Tokens;
using pdroute::WithMetrics;

/// A policy that reads two metrics and has its own options, state and check.
struct Careful {
  RateWindow window = 30s;
  bool sound = true;

  using Load = Loads<RequestRate, Tokens>;
  [[nodiscard]] typename Load::Options load_options() const { return {window, {}}; }
  [[nodiscard]] std::uint64_t make_state(std::uint64_t stream) const { return stream + 1; }
  [[nodiscard]] std::optional<pdroute::ConfigError> check() const {
    if (sound) return std::nullopt;
    return pdroute::ConfigError{pdroute::ConfigError::Rule::id_known, "careful"};
  }
  [[nodiscard]] std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/,
                                                  auto& context) const {
    if (candidates.size() == 0) return std::nullopt;
    return context.state() % candidates.size();
  }
};

/// A policy without a check; only its load options are checked.
struct Unchecked {
  RateWindow window = 30s;
  using Load = RequestRate;
  [[nodiscard]] RateWindow load_options() const { return window; }
  [[nodiscard]] std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/,
                                                  auto& /*context*/) const {
    if (candidates.size() == 0) return std::nullopt;
    return 0;
  }
};

static_assert(std::is_same_v<WithMetrics<RandomPolicy<>, Tokens>::Load, Tokens>);
static_assert(std::is_same_v<WithMetrics<RandomPolicy<>, Tokens, KvTokens>::Load, Loads<Tokens, KvTokens>>);
static_assert(std::is_same_v<WithMetrics<QpsPolicy<>, KvTokens>::Load, Loads<RequestRate, KvTokens>>);
static_assert(std::is_same_v<WithMetrics<Careful, KvTokens>::Load, Loads<RequestRate, Tokens, KvTokens>>);
static_assert(std::is_same_v<WithMetrics<WithMetrics<QpsPolicy<>, Tokens>, KvTokens>::Load,
                             Loads<RequestRate, Tokens, KvTokens>>);
static_assert(std::is_same_v<WithMetrics<QpsPolicy<>>::Load, RequestRate>);
static_assert(std::is_aggregate_v<WithMetrics<QpsPolicy<>, KvTokens>>);
static_assert(sizeof(WithMetrics<QpsPolicy<>, Tokens, KvTokens>) == sizeof(QpsPolicy<>));

template <class Policy>
using Router = pdroute::DisaggregatedRouter<Policy, Policy, Engine>;

/// The decode endpoints chosen for a few requests.
template <class Policy>
std::string choices(const Policy& policy) {
  const Engines prefill = engines("p", 3);
  const Engines decode = engines("d", 4);
  auto router =
      Router<Policy>::create(
          {.prefill = prefill, .decode = decode, .prefill_policy = policy, .decode_policy = policy, .seed = 7})
          .value();
  auto dispatcher = router.dispatcher();
  std::string chosen;
  for (std::uint64_t i = 0; i < 12; ++i) {
    auto route = dispatcher.route(pdroute::Request{.prompt_tokens = 1000 * (i % 3)});
    chosen += route->prefill->id + route->decode->id + ' ';
  }
  return chosen;
}

}  // namespace

TEMPLATE_TEST_CASE("with metrics: the policy chooses as it does alone", "", RandomPolicy<>, RoundRobinPolicy<>,
                   QpsPolicy<>, Careful) {
  CHECK(choices(WithMetrics<TestType, KvTokens>{}) == choices(TestType{}));
}

TEST_CASE("with metrics: the state and the check are those of the policy") {
  const WithMetrics<Careful, KvTokens> policy{{.sound = false}};
  CHECK(pdroute::detail::make_state(policy, 41) == 42);
  REQUIRE(policy.check());
  CHECK(policy.check()->value == "careful");
  CHECK(pdroute::detail::check_configuration(policy)->value == "careful");
  CHECK_FALSE(pdroute::detail::check_configuration(WithMetrics<Careful, KvTokens>{}));
}

TEST_CASE("with metrics: the options are those of the policy, then those of the added metrics") {
  const auto one = WithMetrics<QpsPolicy<>, KvTokens>{{.cost = {.window = 12s}}}.load_options();
  CHECK(std::get<0>(one).length() == 12s);
  STATIC_REQUIRE(std::tuple_size_v<decltype(WithMetrics<QpsPolicy<>, KvTokens>{}.load_options())> == 2);

  const auto joined = WithMetrics<Careful, KvTokens>{{.window = 24s}}.load_options();
  CHECK(std::get<0>(joined).length() == 24s);
  STATIC_REQUIRE(std::tuple_size_v<decltype(WithMetrics<Careful, KvTokens>{}.load_options())> == 3);

  STATIC_REQUIRE(std::is_same_v<decltype(WithMetrics<RandomPolicy<>, KvTokens>{}.load_options()), KvTokens::Options>);
}

TEST_CASE("with metrics: a window out of range is refused, at any depth of the options") {
  const auto refused = [](auto policy) {
    using Policy = decltype(policy);
    const auto first = Router<Policy>::create({.prefill_policy = policy});
    const auto second = Router<Policy>::create({.decode_policy = policy});
    REQUIRE_FALSE(first);
    REQUIRE_FALSE(second);
    CHECK(first.error().rule == pdroute::ConfigError::Rule::window_in_range);
    CHECK(second.error().value == first.error().value);
    return first.error().value;
  };
  CHECK(refused(WithMetrics<QpsPolicy<>, KvTokens>{{.cost = {.window = 0s}}}) == "0 ns");
  CHECK(refused(WithMetrics<Unchecked, KvTokens>{{.window = -5ns}}) == "-5 ns");
  CHECK(refused(WithMetrics<WithMetrics<Unchecked, Tokens>, KvTokens>{{{.window = -5ns}}}) == "-5 ns");
  CHECK(refused(WithMetrics<Careful, KvTokens>{{.window = 0s}}) == "0 ns");
  CHECK(Router<WithMetrics<Unchecked, KvTokens>>::create({}));
}

TEST_CASE("with metrics: an added metric is reported and limited") {
  using Policy = WithMetrics<RoundRobinPolicy<>, Tokens>;
  const Engines one = engines("e", 1);
  auto router = Router<Policy>::create({.prefill = one, .decode = one}).value();
  REQUIRE_FALSE(router.set_capacity(Role::decode, "e0", {.tokens = 100}));
  const auto first = router.route(pdroute::Request{.prompt_tokens = 70});
  REQUIRE(first);
  CHECK(router.endpoints(Role::prefill)[0].tokens == 70U);
  const auto second = router.route(pdroute::Request{.prompt_tokens = 31});
  REQUIRE_FALSE(second);
  CHECK(second.error().text() == "no decode endpoint: 1 full of 1");
  CHECK(router.endpoints(Role::prefill)[0].tokens == 70U);
}
