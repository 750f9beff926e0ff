// SPDX-License-Identifier: Apache-2.0
// The program as a whole: its output and its exit code.
#include <stdio.h>  // popen
#include <sys/wait.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "catch2_compat.hpp"
#include "policies_by_name.hpp"

namespace {

struct Run {
  int exit_code = -1;
  std::string printed;
};

Run run(const std::string& arguments) {
  Run result;
  FILE* const pipe = popen(("'" PDROUTE_REPLAY_PROGRAM "' " + arguments).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> piece{};
  for (std::size_t got = 0; (got = fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
    result.printed.append(piece.data(), got);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

const std::string data = PDROUTE_REPLAY_DATA;

}  // namespace

TEST_CASE("program: --json prints one object per policy, and every request is counted") {
  const Run result = run("--json --churn 3 --prefill 3 --decode 2");
  REQUIRE(result.exit_code == 0);
  const auto all = nlohmann::json::parse(result.printed);
  const auto names = examples::policy_names();
  REQUIRE(all.size() == names.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& object = all[i];
    CHECK(object["policy"] == names[i]);
    CHECK(object["decode_policy"] == names[i]);
    CHECK(object["requests"] == 12'031);
    CHECK(object["in_flight_end"] == 0);
    CHECK(object["cancelled"] > 0);
    CHECK(object["decision_ns"] >= 0);
    CHECK(object["imbalance_max_over_mean"]["decode"] >= 1.0);
    CHECK(object["token_imbalance_max_over_mean"]["prefill"] >= 1.0);
    CHECK(object["outstanding_max_over_mean"]["prefill"] >= 1.0);
    CHECK(object["tokens_ahead"]["decode"] > 0.0);
    REQUIRE(object["per_endpoint"].size() == 5);
    std::uint64_t routed = object["unrouted"];
    for (const auto& endpoint : object["per_endpoint"]) {
      if (endpoint["role"] == "decode") routed += endpoint["requests"].get<std::uint64_t>();
    }
    CHECK(routed == 12'031);
  }
}

TEST_CASE("program: same command, same placement") {
  const auto placement = [] {
    auto all = nlohmann::json::parse(run("--json --requests 2000 --churn 1 --seed 9").printed);
    for (auto& object : all) object.erase("decision_ns");
    return all;
  };
  CHECK(placement() == placement());
}

TEST_CASE("program: trace files of both formats are replayed") {
  for (const std::string file : {"conversation.jsonl", "conversation.csv", "windows.csv"}) {
    const Run result = run("--json --policy qps --trace '" + data + "/" + file + "'");
    REQUIRE(result.exit_code == 0);
    CHECK(nlohmann::json::parse(result.printed)[0]["requests"] == 4);
  }
}

TEST_CASE("program: the tables name the policies and every endpoint") {
  const Run result = run("--requests 100 --policy random,round-robin --decode-policy qps --decode 2");
  REQUIRE(result.exit_code == 0);
  CHECK(result.printed.find("generated trace: 100 requests") == 0);
  for (const std::string part : {"prefill by random, decode by qps", "prefill by round-robin, decode by qps", "  p3 ",
                                 "  d1 ", "max/mean", "left in flight 0", "\n| policy ", "\n| round-robin "}) {
    INFO(part);
    CHECK(result.printed.find(part) != std::string::npos);
  }
}

TEST_CASE("program: a wrong command or trace gives a message on standard error and exit code 2") {
  const Run result = run("--trace '" + data + "/negative.jsonl' 2>&1 >/dev/null");
  CHECK(result.exit_code == 2);
  CHECK(result.printed ==
        "pdroute_replay: " + data +
            "/negative.jsonl:2: input_length: must be a whole number from 0 to 10000000, but is -5\n");
  const Run silent = run("--policy best 2>/dev/null");
  CHECK(silent.exit_code == 2);
  CHECK(silent.printed.empty());
}

TEST_CASE("program: output that cannot be written gives exit code 2") {
  CHECK(run("--requests 10 2>/dev/null >/dev/full").exit_code == 2);
}
