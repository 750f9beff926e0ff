// SPDX-License-Identifier: Apache-2.0
#include "mooncake_trace.hpp"

#include <chrono>
#include <pdroute/key.hpp>
#include <string>

#include "catch2_compat.hpp"
#include "refusal.hpp"
#include "trace.hpp"

using namespace std::chrono_literals;

namespace {

const std::string good = R"({"timestamp": 100, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]})";

std::string complaint(const std::string& text) {
  return refusal([&] { return replay::read_mooncake("t.jsonl", text); });
}
/// The error message about this line as the second line of a file.
std::string complaint_about(const std::string& line) {
  return complaint(good + "\n" + line + "\n" + good);
}

}  // namespace

TEST_CASE("Mooncake trace: a good file gives its requests in order, with times from the first one") {
  const auto trace = replay::read_mooncake(
      "t", good + "\n" + R"({"hash_ids": [], "output_length": 0, "timestamp": 3100, "input_length": 1, "x": null})");
  CHECK(trace == replay::Trace{{0ms, 6758, 500, pdroute::key(1)}, {3000ms, 1, 0}});
}

TEST_CASE("Mooncake trace: the second block of a prompt is its key, and a prompt of one block has none") {
  const auto key_of = [](const std::string& ids) {
    return replay::read_mooncake(
               "t", R"({"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": )" + ids + "}")[0]
        .key;
  };
  CHECK(!key_of("[]"));
  CHECK(!key_of("[0]"));
  CHECK(key_of("[0, 7]") == pdroute::key(7));
  CHECK(key_of("[0, 7, 8, 9]") == key_of("[0, 7, 10]"));
  CHECK(key_of("[0, 7, 8]") != key_of("[0, 11, 8]"));
}

TEST_CASE("Mooncake trace: Windows line ends and blank lines give the same trace") {
  CHECK(replay::read_mooncake("t", good + "\r\n\r\n \t\n" + good + "\r\n") ==
        replay::read_mooncake("t", good + "\n" + good));
}

TEST_CASE("Mooncake trace: several requests at one moment are all read") {
  CHECK(replay::read_mooncake("t", good + "\n" + good + "\n" + good).size() == 3);
}

TEST_CASE("Mooncake trace: a wrong line is refused with file, line and field") {
  SECTION("no JSON") {
    CHECK(complaint_about("{\"timestamp\": 3") == "t.jsonl:2: line: is not valid JSON at column 16");
    CHECK(complaint_about("{} {}") == "t.jsonl:2: line: is not valid JSON at column 4");
    CHECK(complaint_about("[1, 2]") == "t.jsonl:2: line: must be a JSON object, but is [1, 2]");
  }
  SECTION("a missing field") {
    CHECK(complaint_about(R"({"input_length": 1, "output_length": 1, "hash_ids": []})") ==
          "t.jsonl:2: timestamp: is missing");
    CHECK(complaint_about(R"({"timestamp": 100, "output_length": 1, "hash_ids": []})") ==
          "t.jsonl:2: input_length: is missing");
    CHECK(complaint_about(R"({"timestamp": 100, "input_length": 1, "hash_ids": []})") ==
          "t.jsonl:2: output_length: is missing");
    CHECK(complaint_about(R"({"timestamp": 100, "input_length": 1, "output_length": 1})") ==
          "t.jsonl:2: hash_ids: is missing");
  }
  SECTION("the timestamp") {
    const auto about = [](const std::string& value) {
      return complaint_about(R"({"timestamp": )" + value +
                             R"(, "input_length": 1, "output_length": 1, "hash_ids": []})");
    };
    const std::string rule = "t.jsonl:2: timestamp: must be a whole number from 0 to 9000000000000, but is ";
    CHECK(about("-1") == rule + "-1");
    CHECK(about("100.5") == rule + "100.5");
    CHECK(about("\"100\"") == rule + "\"100\"");
    CHECK(about("null") == rule + "null");
    CHECK(about("9000000000001") == rule + "9000000000001");
    CHECK(about("1e400") == "t.jsonl:2: line: holds a number that is too large");
    CHECK(about("99") == "t.jsonl:2: timestamp: must not be earlier than in the request before");
    CHECK(about("8000000000000") == "t.jsonl:2: timestamp: must be within ten years of the first request");
  }
  SECTION("the lengths") {
    const auto about_input = [](const std::string& value) {
      return complaint_about(R"({"timestamp": 100, "input_length": )" + value +
                             R"(, "output_length": 1, "hash_ids": []})");
    };
    const auto about_output = [](const std::string& value) {
      return complaint_about(R"({"timestamp": 100, "input_length": 1, "output_length": )" + value +
                             R"(, "hash_ids": []})");
    };
    const std::string rule = ": must be a whole number from 0 to 10000000, but is ";
    for (const std::string value : {"-5", "1.5", "true", "[1]", "10000001", "18446744073709551615"}) {
      CHECK(about_input(value) == "t.jsonl:2: input_length" + rule + value);
      CHECK(about_output(value) == "t.jsonl:2: output_length" + rule + value);
    }
    CHECK(about_input("18446744073709551616").find("t.jsonl:2: input_length" + rule) == 0);
  }
  SECTION("the hash ids") {
    const auto about = [](const std::string& value) {
      return complaint_about(R"({"timestamp": 100, "input_length": 1, "output_length": 1, "hash_ids": )" + value + "}");
    };
    CHECK(about("7") == "t.jsonl:2: hash_ids: must be an array, but is 7");
    CHECK(about("[1, -2]") == "t.jsonl:2: hash_ids: must hold whole numbers from 0, but holds -2");
    CHECK(about("[1, 2.5]") == "t.jsonl:2: hash_ids: must hold whole numbers from 0, but holds 2.5");
    CHECK(about("[\"a\"]") == "t.jsonl:2: hash_ids: must hold whole numbers from 0, but holds \"a\"");
  }
}

TEST_CASE("Mooncake trace: blank lines count in the line number of an error") {
  CHECK(complaint("\n\n" + good + "\n\n{}") == "t.jsonl:5: timestamp: is missing");
}

TEST_CASE("Mooncake trace: a file without a request is refused") {
  CHECK(complaint("\n \n") == "t.jsonl: holds no request");
}
