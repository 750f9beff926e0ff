// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "catch2_compat.hpp"
#include "policies_by_name.hpp"
#include "refusal.hpp"

using namespace std::chrono_literals;

namespace {

auto parse(const std::vector<const char*>& arguments) {
  std::vector<const char*> command(arguments.size() + 1, "pdroute_replay");
  std::copy(arguments.begin(), arguments.end(), command.begin() + 1);
  return replay::parse_options(static_cast<int>(command.size()), command.data());
}
replay::Options options(const std::vector<const char*>& arguments) {
  return std::get<replay::Options>(parse(arguments));
}
std::string complaint(const std::vector<const char*>& arguments) {
  return refusal([&] { return parse(arguments); });
}

}  // namespace

TEST_CASE("options: no argument gives the defaults") {
  const auto o = options({});
  CHECK(!o.trace);
  CHECK(o.requests == 12'031);
  CHECK(o.prefill == 4);
  CHECK(o.decode == 4);
  CHECK(o.policies == examples::policy_names());
  CHECK(!o.decode_policy);
  CHECK(o.settings.seed == 0);
  CHECK(o.settings.qps_window == 60s);
  CHECK(!o.churn);
  CHECK(!o.json);
}

TEST_CASE("options: each option sets its value") {
  const auto o =
      options({"--trace", "a file", "--prefill", "8", "--decode=2", "--policy", "qps,random", "--decode-policy",
               "round-robin", "--seed", "18446744073709551615", "--qps-window", "0.5", "--churn", "7", "--json"});
  CHECK(o.trace == "a file");
  CHECK(o.prefill == 8);
  CHECK(o.decode == 2);
  CHECK(o.policies == std::vector<std::string>{"qps", "random"});
  CHECK(o.decode_policy == "round-robin");
  CHECK(o.settings.seed == std::numeric_limits<std::uint64_t>::max());
  CHECK(o.settings.qps_window == 500ms);
  CHECK(o.churn == 7U);
  CHECK(o.json);
  CHECK(options({"--requests", "5"}).requests == 5);
}

TEST_CASE("options: --help returns the help text") {
  CHECK(std::get<replay::HelpText>(parse({"--help"})).text.find("--qps-window SECONDS") != std::string::npos);
}

TEST_CASE("options: a wrong argument is refused with a sentence that names it") {
  const std::string endpoints = ": must be a whole number from 1 to 10000, but is ";
  CHECK(complaint({"--prefill", "0"}) == "--prefill" + endpoints + "0");
  CHECK(complaint({"--decode", "10001"}) == "--decode" + endpoints + "10001");
  CHECK(complaint({"--prefill=-3"}) == "--prefill" + endpoints + "-3");
  CHECK(complaint({"--decode", "4x"}) == "--decode" + endpoints + "4x");
  CHECK(complaint({"--decode", "1.5"}) == "--decode" + endpoints + "1.5");
  CHECK(complaint({"--requests", "0"}) == "--requests: must be a whole number from 1 to 10000000, but is 0");
  CHECK(complaint({"--seed", "18446744073709551616"}) ==
        "--seed: must be a whole number from 0 to 18446744073709551615, but is 18446744073709551616");
  CHECK(complaint({"--churn", "soon"}) ==
        "--churn: must be a whole number from 0 to 18446744073709551615, but is soon");
  for (const std::string value : {"0", "-1", "nan", "inf", "1e-10", "1000001", "60s", "0x", "1e999"}) {
    CHECK(complaint({"--qps-window", value.c_str()}) ==
          "--qps-window: must be a number of seconds from 1e-9 to 1000000, but is " + value);
  }
  std::string known = "; there are round-robin";
  for (std::size_t i = 1; i < examples::known_policies.size(); ++i) {
    known += ", " + std::string{examples::known_policies[i].name};
  }
  CHECK(complaint({"--policy", "best"}) == "there is no policy best" + known);
  CHECK(complaint({"--policy", "qps,,random"}) == "there is no policy without a name" + known);
  CHECK(complaint({"--policy", "qps,"}) == "there is no policy without a name" + known);
  CHECK(complaint({"--decode-policy", "qps,random"}) == "there is no policy qps,random" + known);
  for (const char* const option : {"--trace", "--prefill", "--policy", "--qps-window", "--churn"}) {
    CHECK(complaint({option}).find(option) != std::string::npos);
  }
  CHECK(complaint({"--speed"}).find("--speed") != std::string::npos);
  CHECK(complaint({"trace.jsonl"}).find("trace.jsonl") != std::string::npos);
  CHECK(complaint({"--trace", "t", "--requests", "5"}).find("--requests") != std::string::npos);
}
