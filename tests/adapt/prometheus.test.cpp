// SPDX-License-Identifier: Apache-2.0
#include <pdroute/adapt/prometheus.hpp>

#include <algorithm>
#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using pdroute::FailureKind;
using pdroute::Role;

namespace {

using RoundRobin = pdroute::RoundRobinPolicy<>;
using Router = pdroute::DisaggregatedRouter<RoundRobin, RoundRobin, Engine>;

std::string text_of(const auto& router) {
  std::string text;
  pdroute::append_prometheus(text, router);
  return text;
}

/// The value of the sample with this name and these labels; empty if there is none.
std::string value_of(const std::string& text, const std::string& sample) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(sample + " ")) return line.substr(sample.size() + 1);
  }
  return "";
}
std::string value_of(const Router& router, const std::string& sample) {
  return value_of(text_of(router), sample);
}

std::string ended(const Router& router, const std::string& endpoint, const std::string& outcome) {
  return value_of(
      router, "pdroute_leases_ended_total{role=\"decode\",endpoint=\"" + endpoint + "\",outcome=\"" + outcome + "\"}");
}

struct Weighed {
  std::string id;
  std::uint32_t weight = 1;
};
struct Numbered {
  std::int16_t id;
};

static_assert(pdroute::ReportingRouter<Router>);
static_assert(!pdroute::ReportingRouter<Router::Dispatcher>);
static_assert(!pdroute::ReportingRouter<Engine>);

}  // namespace

TEST_CASE("prometheus: the whole text of a router, with escaped labels and zero counts") {
  const Engines prefill{{"a\"b\\c\nd"}};
  auto router = Router::create({.prefill = prefill}).value();
  REQUIRE_FALSE(router.set_capacity(Role::prefill, prefill[0].id, {.requests = 3}));
  const auto lease = router.prefill().value();
  CHECK_FALSE(router.route());
  CHECK(text_of(router) == R"(# HELP pdroute_endpoints Members of the role by state; eligible ones may be chosen.
# TYPE pdroute_endpoints gauge
pdroute_endpoints{role="prefill",state="eligible"} 1
pdroute_endpoints{role="prefill",state="unhealthy"} 0
pdroute_endpoints{role="prefill",state="paused"} 0
pdroute_endpoints{role="prefill",state="draining"} 0
pdroute_endpoints{role="prefill",state="ejected"} 0
pdroute_endpoints{role="prefill",state="bound_only"} 0
pdroute_endpoints{role="decode",state="eligible"} 0
pdroute_endpoints{role="decode",state="unhealthy"} 0
pdroute_endpoints{role="decode",state="paused"} 0
pdroute_endpoints{role="decode",state="draining"} 0
pdroute_endpoints{role="decode",state="ejected"} 0
pdroute_endpoints{role="decode",state="bound_only"} 0
# HELP pdroute_leases_in_flight Leases that have not ended.
# TYPE pdroute_leases_in_flight gauge
pdroute_leases_in_flight{role="prefill",endpoint="a\"b\\c\nd"} 1
# HELP pdroute_leases_limit The most leases at once, where there is a limit.
# TYPE pdroute_leases_limit gauge
pdroute_leases_limit{role="prefill",endpoint="a\"b\\c\nd"} 3
# HELP pdroute_leases_ended_total Leases that have ended, by how they ended.
# TYPE pdroute_leases_ended_total counter
pdroute_leases_ended_total{role="prefill",endpoint="a\"b\\c\nd",outcome="completed"} 0
pdroute_leases_ended_total{role="prefill",endpoint="a\"b\\c\nd",outcome="rejected"} 0
pdroute_leases_ended_total{role="prefill",endpoint="a\"b\\c\nd",outcome="cancelled"} 0
pdroute_leases_ended_total{role="prefill",endpoint="a\"b\\c\nd",outcome="unreachable"} 0
pdroute_leases_ended_total{role="prefill",endpoint="a\"b\\c\nd",outcome="timed_out"} 0
pdroute_leases_ended_total{role="prefill",endpoint="a\"b\\c\nd",outcome="bad_response"} 0
pdroute_leases_ended_total{role="prefill",endpoint="a\"b\\c\nd",outcome="overloaded"} 0
# HELP pdroute_leases_abandoned_total Leases cancelled by destruction after KV was staged; part of outcome="cancelled".
# TYPE pdroute_leases_abandoned_total counter
pdroute_leases_abandoned_total{role="prefill",endpoint="a\"b\\c\nd"} 0
# HELP pdroute_refusals_total Routing calls that found no endpoint in the role; each try counts.
# TYPE pdroute_refusals_total counter
pdroute_refusals_total{role="prefill"} 0
pdroute_refusals_total{role="decode"} 1
# HELP pdroute_refusal_reasons_total Refused requests for which this ruled out an endpoint; a request can have several reasons.
# TYPE pdroute_refusal_reasons_total counter
pdroute_refusal_reasons_total{role="prefill",reason="unhealthy"} 0
pdroute_refusal_reasons_total{role="prefill",reason="paused"} 0
pdroute_refusal_reasons_total{role="prefill",reason="draining"} 0
pdroute_refusal_reasons_total{role="prefill",reason="ejected"} 0
pdroute_refusal_reasons_total{role="prefill",reason="bound_only"} 0
pdroute_refusal_reasons_total{role="prefill",reason="excluded"} 0
pdroute_refusal_reasons_total{role="prefill",reason="disallowed"} 0
pdroute_refusal_reasons_total{role="prefill",reason="incompatible"} 0
pdroute_refusal_reasons_total{role="prefill",reason="too_large"} 0
pdroute_refusal_reasons_total{role="prefill",reason="full"} 0
pdroute_refusal_reasons_total{role="prefill",reason="declined"} 0
pdroute_refusal_reasons_total{role="decode",reason="unhealthy"} 0
pdroute_refusal_reasons_total{role="decode",reason="paused"} 0
pdroute_refusal_reasons_total{role="decode",reason="draining"} 0
pdroute_refusal_reasons_total{role="decode",reason="ejected"} 0
pdroute_refusal_reasons_total{role="decode",reason="bound_only"} 0
pdroute_refusal_reasons_total{role="decode",reason="excluded"} 0
pdroute_refusal_reasons_total{role="decode",reason="disallowed"} 0
pdroute_refusal_reasons_total{role="decode",reason="incompatible"} 0
pdroute_refusal_reasons_total{role="decode",reason="too_large"} 0
pdroute_refusal_reasons_total{role="decode",reason="full"} 0
pdroute_refusal_reasons_total{role="decode",reason="declined"} 0
)");
}

TEST_CASE("prometheus: text that is already in the string stays") {
  const auto router = Router::create({.prefill = engines("p", 1)}).value();
  std::string text = "mine 1\n";
  pdroute::append_prometheus(text, router);
  CHECK(text == "mine 1\n" + text_of(router));
}

TEST_CASE("prometheus: integer ids are written as labels") {
  using ByNumber = pdroute::DisaggregatedRouter<RoundRobin, RoundRobin, Numbered>;
  const std::vector<Numbered> decode{{-3}, {200}};
  const auto router = ByNumber::create({.decode = decode}).value();
  const std::string text = text_of(router);
  CHECK(value_of(text, R"(pdroute_leases_in_flight{role="decode",endpoint="-3"})") == "0");
  CHECK(value_of(text, R"(pdroute_leases_in_flight{role="decode",endpoint="200"})") == "0");
}

TEST_CASE("prometheus: an endpoint counts under the first state that rules it out, as in a refusal") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 4)}).value();
  const auto expect = [&](const char* eligible, const char* unhealthy, const char* paused, const char* draining) {
    const std::string text = text_of(router);
    CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="eligible"})") == eligible);
    CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="unhealthy"})") == unhealthy);
    CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="paused"})") == paused);
    CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="draining"})") == draining);
    CHECK(value_of(text, R"(pdroute_endpoints{role="prefill",state="eligible"})") == "1");
  };
  expect("4", "0", "0", "0");
  for (const char* id : {"d0", "d1", "d2"}) CHECK(router.drain(Role::decode, id));
  expect("1", "0", "0", "3");
  for (const char* id : {"d0", "d1"}) CHECK(router.set_intake(Role::decode, id, pdroute::Intake::paused));
  expect("1", "0", "2", "1");
  CHECK(router.set_health("d0", pdroute::Health::unhealthy));
  expect("1", "1", "1", "1");
  CHECK(router.set_health("d3", pdroute::Health::unhealthy));
  const auto reason = router.decode().error();
  CHECK(reason.unhealthy == 2);
  CHECK(reason.paused == 1);
  CHECK(reason.draining == 1);
  expect("0", "2", "1", "1");
}

TEST_CASE("prometheus: an endpoint that takes bound sessions only has a state and a reason of its own") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 2)}).value();
  for (const char* id : {"d0", "d1"}) CHECK(router.set_intake(Role::decode, id, pdroute::Intake::bound_only));
  CHECK(router.set_health("d1", pdroute::Health::unhealthy));
  CHECK_FALSE(router.decode());
  const std::string text = text_of(router);
  CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="eligible"})") == "0");
  CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="unhealthy"})") == "1");
  CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="paused"})") == "0");
  CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="bound_only"})") == "1");
  CHECK(value_of(text, R"(pdroute_refusal_reasons_total{role="decode",reason="bound_only"})") == "1");
}

TEST_CASE("prometheus: an endpoint of weight 0 counts as paused, as in a refusal") {
  using ByWeight = pdroute::DisaggregatedRouter<RoundRobin, pdroute::WeightedRoundRobinPolicy, Weighed>;
  const std::vector<Weighed> list{{"d0", 0}, {"d1", 0}};
  auto router = ByWeight::create({.prefill = list, .decode = list}).value();
  CHECK(router.decode().error().paused == 2);
  const std::string text = text_of(router);
  CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="eligible"})") == "0");
  CHECK(value_of(text, R"(pdroute_endpoints{role="decode",state="paused"})") == "2");
  CHECK(value_of(text, R"(pdroute_endpoints{role="prefill",state="eligible"})") == "2");  // does not read weights
}

TEST_CASE("prometheus: each kind of ending raises its own count and frees the place") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  const std::string in_flight = R"(pdroute_leases_in_flight{role="decode",endpoint="d0"})";
  {
    auto completed = router.decode().value();
    const auto cancelled = router.decode().value();
    CHECK(value_of(router, in_flight) == "2");
    completed.complete();
    CHECK(value_of(router, in_flight) == "1");
    CHECK(ended(router, "d0", "completed") == "1");
    CHECK(ended(router, "d0", "cancelled") == "0");
  }
  CHECK(value_of(router, in_flight) == "0");
  CHECK(ended(router, "d0", "cancelled") == "1");
  int count = 0;
  for (const auto kind :
       {FailureKind::unreachable, FailureKind::timed_out, FailureKind::bad_response, FailureKind::overloaded}) {
    const std::string outcome(to_string(kind));
    CHECK(ended(router, "d0", outcome) == "0");
    ++count;
    for (int i = 0; i < count; ++i) router.decode().value().fail(kind);
    CHECK(ended(router, "d0", outcome) == std::to_string(count));
  }
  CHECK(ended(router, "d0", "completed") == "1");
  CHECK(ended(router, "d0", "unreachable") == "1");
}

TEST_CASE("prometheus: each reason for a refusal has the name that the refusal gives it") {
  const auto decline = [](const auto& /*endpoint*/) { return false; };
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 2)}).value();
  CHECK(router.set_health("d0", pdroute::Health::unhealthy));
  CHECK_FALSE(router.decode({}, {.accept = decline}));
  CHECK(router.set_health("d1", pdroute::Health::unhealthy));
  CHECK_FALSE(router.route());
  const std::string text = text_of(router);
  CHECK(value_of(text, R"(pdroute_refusals_total{role="decode"})") == "2");
  CHECK(value_of(text, R"(pdroute_refusals_total{role="prefill"})") == "0");
  pdroute::NoEndpoint{}.each_reason([&](const std::string& name, std::uint32_t /*count*/) {
    INFO(name);
    CHECK(value_of(text, "pdroute_refusal_reasons_total{role=\"decode\",reason=\"" + name + "\"}") ==
          (name == "unhealthy"    ? "2"
           : name == "disallowed" ? "1"
                                  : "0"));
  });
}

TEST_CASE("prometheus: a role shows the tokens that it counts, and limits only where they are set") {
  using Decode = pdroute::WithMetrics<RoundRobin, pdroute::Tokens, pdroute::KvTokens>;
  using CountingRouter = pdroute::DisaggregatedRouter<RoundRobin, Decode, Engine>;
  auto router = CountingRouter::create({.prefill = engines("p", 1), .decode = engines("d", 2)}).value();
  REQUIRE_FALSE(router.set_capacity(Role::decode, "d0", {.requests = 5, .tokens = 60}));
  REQUIRE_FALSE(router.set_capacity(Role::decode, "d1", {.kv_tokens = 70}));
  auto lease = router.decode({.prompt_tokens = 40}).value();
  lease.progress(30);
  const std::string text = text_of(router);
  const auto gauge = [&](const std::string& name, const std::string& endpoint) {
    return value_of(text, "pdroute_" + name + "{role=\"decode\",endpoint=\"" + endpoint + "\"}");
  };
  CHECK(gauge("tokens_held", "d0") == "70");
  CHECK(gauge("tokens_held", "d1") == "0");
  CHECK(gauge("kv_tokens_held", "d0") == "70");
  CHECK(gauge("leases_limit", "d0") == "5");
  CHECK(gauge("leases_limit", "d1").empty());
  CHECK(gauge("tokens_limit", "d0") == "60");
  CHECK(gauge("tokens_limit", "d1").empty());
  CHECK(gauge("kv_tokens_limit", "d0").empty());
  CHECK(gauge("kv_tokens_limit", "d1") == "70");
  INFO("prefill counts no tokens");
  CHECK(text.find("tokens_held{role=\"prefill\"") == std::string::npos);
}

TEST_CASE("prometheus: an endpoint that comes back counts from zero, one that has gone is not shown") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  router.decode().value().complete();
  CHECK(ended(router, "d0", "completed") == "1");
  const auto late = router.decode().value();
  REQUIRE(router.assign(Role::decode, Engines{}));
  CHECK(text_of(router).find("d0") == std::string::npos);
  REQUIRE(router.assign(Role::decode, engines("d", 1)));
  CHECK(ended(router, "d0", "completed") == "0");
  CHECK(value_of(router, R"(pdroute_leases_in_flight{role="decode",endpoint="d0"})") == "0");
}
