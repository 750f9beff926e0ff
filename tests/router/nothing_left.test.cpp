// SPDX-License-Identifier: Apache-2.0
// Requests leave nothing behind, however they end: no allocation from the choice to the end, and no object after it.
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "allocations.hpp"
#include "catch2_compat.hpp"

namespace {

using pdroute::FailureKind;
using pdroute::Role;

struct Watched {
  std::string id;
  std::shared_ptr<int> life;
  pdroute::Capacity capacity = {};
};
using Policy = pdroute::WithMetrics<pdroute::QpsPolicy<>, pdroute::Tokens, pdroute::KvTokens>;
using Router = pdroute::DisaggregatedRouter<Policy, Policy, Watched, pdroute::ManualClock>;

/// Routes one request and ends it in the `ending`-th way. False if a step finds no endpoint.
bool serve(Router& router, Router::Dispatcher& dispatcher, int ending) {
  static constexpr std::array<std::string_view, 1> only_d1{"d1"};
  const auto not_p0 = [](const Watched& endpoint) { return endpoint.id != "p0"; };
  const auto fits = [](const Watched& p, const Watched& d) { return p.id.back() == d.id.back(); };
  const pdroute::Request request{.prompt_tokens = 100};
  auto found = ending % 3 == 0   ? dispatcher.route(request)
               : ending % 3 == 1 ? dispatcher.route(request, {.compatible = fits})
                                 : router.route(request, {.prefill = {.accept = not_p0}});
  if (!found) return false;
  Router::Route route = std::move(*found);
  switch (ending % 9) {
    case 0: route.complete(); break;
    case 1: route.decode.complete(); break;  // without a byte of output
    case 2: route.first_token(); break;      // then the client disconnects
    case 3: break;                           // the client disconnects before
    case 4: route.prefill.fail(FailureKind::unreachable); break;
    case 5: route.decode.fail(FailureKind::overloaded); break;
    case 6:
      route.decode.progress(50);
      route.complete();
      break;
    case 7: {
      const auto id = router.detach(std::move(route.decode));
      return id && router.adopt<Role::decode>(*id).has_value();
    }
    default: {
      pdroute::FailedEndpoints<> failed;
      failed.add(route.decode);
      route.decode.fail(FailureKind::timed_out);
      return dispatcher.decode(request, {.exclude = failed}).has_value() &&
             !dispatcher.decode(request, {.exclude = failed, .allowed = std::span<const std::string_view>{}});
    }
  }
  return ending % 10 != 9 || dispatcher.decode(request, {.allowed = only_d1}).has_value();
}

}  // namespace

TEST_CASE("fault: 325 bytes stay per finished request") {
  const auto life = std::make_shared<int>(0);
  {
    const auto list = [&](const std::string& prefix) {
      return std::array{Watched{prefix + "0", life, {.tokens = 1000}}, Watched{prefix + "1", life, {.requests = 5}}};
    };
    auto router = Router::create({.prefill = list("p"), .decode = list("d"), .detached_leases = 1}).value();
    auto dispatcher = router.dispatcher();
    for (int i = 0; i < 90; ++i) REQUIRE(serve(router, dispatcher, i));  // creates the router's own dispatcher, too
    const auto held = life.use_count();

    bool served = true;
    const std::uint64_t before = bench::allocations_of_this_thread();
    REQUIRE(before > 0);  // which shows that the counter works
    for (int i = 0; i < 10'000; ++i) served = serve(router, dispatcher, i) && served;
    CHECK(bench::allocations_of_this_thread() == before);
    CHECK(served);
    CHECK(life.use_count() == held);
    for (const Role role : {Role::prefill, Role::decode}) {
      for (const auto& endpoint : router.endpoints(role)) {
        CHECK(endpoint.in_flight == 0);
        CHECK(endpoint.tokens == 0U);
        CHECK(endpoint.kv_tokens == 0U);
      }
    }
  }
  CHECK(life.use_count() == 1);
}

TEST_CASE("a session's requests allocate nothing, whether it is bound, moved, forgotten or one of too many") {
  using Sticky = pdroute::SessionAffinityPolicy<Policy>;
  const auto sessions = std::make_shared<pdroute::SessionTable>(pdroute::SessionTable::Options{.max_bindings = 256});
  const std::array list{Watched{"0", nullptr, {.requests = 1}}, Watched{"1", nullptr}};
  auto router = pdroute::DisaggregatedRouter<Sticky, Sticky, Watched>::create({.prefill = list,
                                                                               .decode = list,
                                                                               .prefill_policy = {.sessions = sessions},
                                                                               .decode_policy = {.sessions = sessions}})
                    .value();
  auto dispatcher = router.dispatcher();
  bool served = true;
  const std::uint64_t before = bench::allocations_of_this_thread();
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const pdroute::Request request{.prompt_tokens = 1, .key = pdroute::key(i % 7 == 0 ? 0 : i)};
    const auto now = std::chrono::steady_clock::now();
    auto route = dispatcher.route(request);
    auto other = dispatcher.route(request);  // the bound endpoint may be full
    served = served && route && other;
    sessions->bind(*request.key, route->prefill, now);
    sessions->bind(*request.key, other->decode, now);
    if (i % 3 == 0) sessions->forget(*request.key);
  }
  CHECK(bench::allocations_of_this_thread() == before);
  CHECK(served);
}
