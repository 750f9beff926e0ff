// SPDX-License-Identifier: Apache-2.0
#include "azure_trace.hpp"

#include <chrono>
#include <string>

#include "catch2_compat.hpp"
#include "refusal.hpp"
#include "trace.hpp"

using namespace std::chrono_literals;

namespace {

const std::string header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
const std::string good = "2023-11-16 18:17:03.9799600,4808,10\n";

std::string complaint(const std::string& text) {
  return refusal([&] { return replay::read_azure("t.csv", text); });
}
/// The error message about this row as the third line of a file.
std::string complaint_about(const std::string& row) {
  return complaint(header + good + row + "\n" + good);
}

}  // namespace

TEST_CASE("Azure trace: a good file gives its requests in order, with times from the first one") {
  CHECK(replay::read_azure("t", header + good + "2023-11-16 18:17:04.0319600,3180,8\n2023-11-17 00:00:00,0,0") ==
        replay::Trace{{0ms, 4808, 10}, {52ms, 3180, 8}, {5h + 42min + 56s + 20040us, 0, 0}});
}

TEST_CASE("Azure trace: Windows line ends, blank lines or another order of columns give the same trace") {
  const auto expected = replay::read_azure("t", header + good + good);
  CHECK(replay::read_azure("t",
                           "\r\nTIMESTAMP,ContextTokens,GeneratedTokens\r\n"
                           "2023-11-16 18:17:03.9799600,4808,10\r\n\r\n"
                           "2023-11-16 18:17:03.9799600,4808,10\r\n") == expected);
  CHECK(replay::read_azure("t",
                           "GeneratedTokens, TIMESTAMP ,ContextTokens\n"
                           "10, 2023-11-16 18:17:03.9799600 ,4808\n"
                           "10,2023-11-16 18:17:03.9799600,4808") == expected);
}

TEST_CASE("Azure trace: a timestamp gives the time since 1970, a malformed one nothing") {
  CHECK(replay::azure_moment("1970-01-01 00:00:00") == 0ns);
  CHECK(replay::azure_moment("1970-01-02 01:02:03.5") == 24h + 1h + 2min + 3500ms);
  CHECK(replay::azure_moment("1970-01-01 00:00:00.123456789") == 123456789ns);
  CHECK(replay::azure_moment("2024-02-29 23:59:59.000001+00:00") == 474791h + 59min + 59s + 1us);
  for (const char* const text : {"",
                                 "0",
                                 "2023-11-16",
                                 "2023-11-16T18:17:03",
                                 "2023-11-16 18:17",
                                 "2023-11-16 24:00:00",
                                 "2023-11-16 18:60:00",
                                 "2023-11-16 18:17:60",
                                 "2023-02-29 00:00:00",
                                 "2023-13-01 00:00:00",
                                 "2023-00-01 00:00:00",
                                 "2023-01-00 00:00:00",
                                 "2023-11-16 18:17:03.",
                                 "2023-11-16 18:17:03.1234567890",
                                 "2023-11-16 18:17:03.1x",
                                 "2023-11-16 18:17:03+01:00",
                                 "1969-12-31 23:59:59",
                                 "2201-01-01 00:00:00",
                                 "-023-11-16 18:17:03",
                                 "2023-11-16 18:17:0",
                                 "2023-1-16 18:17:03"}) {
    INFO(text);
    CHECK(!replay::azure_moment(text));
  }
}

TEST_CASE("Azure trace: a wrong row is refused with file, line and field") {
  SECTION("the timestamp") {
    CHECK(complaint_about("yesterday,1,1") ==
          "t.csv:3: TIMESTAMP: must be like 2023-11-16 18:17:03.9799600, but is yesterday");
    CHECK(complaint_about(",1,1") == "t.csv:3: TIMESTAMP: must be like 2023-11-16 18:17:03.9799600, but is empty");
    CHECK(complaint_about("2023-11-16 18:17:03.9799599,1,1") ==
          "t.csv:3: TIMESTAMP: must not be earlier than in the request before");
    CHECK(complaint_about("2123-11-16 18:17:03,1,1") ==
          "t.csv:3: TIMESTAMP: must be within ten years of the first request");
  }
  SECTION("the lengths") {
    const std::string moment = "2023-11-16 18:17:03.9799600";
    const std::string rule = ": must be a whole number from 0 to 10000000, but is ";
    for (const std::string value : {"-5", "+5", "1.5", "x", "10000001", "99999999999999999999999"}) {
      CHECK(complaint_about(moment + "," + value + ",1") == "t.csv:3: ContextTokens" + rule + value);
      CHECK(complaint_about(moment + ",1," + value) == "t.csv:3: GeneratedTokens" + rule + value);
    }
    CHECK(complaint_about(moment + ",,1") == "t.csv:3: ContextTokens" + rule + "empty");
    CHECK(complaint_about(moment + ",1,") == "t.csv:3: GeneratedTokens" + rule + "empty");
  }
  SECTION("the columns") {
    CHECK(complaint_about("2023-11-16 18:17:03.9799600,1") ==
          "t.csv:3: GeneratedTokens: is missing: the row has fewer than three columns");
    CHECK(complaint_about("2023-11-16 18:17:03.9799600,1,2,3") ==
          "t.csv:3: GeneratedTokens: must be the last: the row has more than three columns");
  }
}

TEST_CASE("Azure trace: a wrong header is refused with its column") {
  CHECK(complaint("TIMESTAMP,ContextTokens\n" + good) == "t.csv:1: GeneratedTokens: is missing in the header");
  CHECK(complaint("ContextTokens,GeneratedTokens\n" + good) == "t.csv:1: TIMESTAMP: is missing in the header");
  CHECK(complaint("TIMESTAMP,ContextTokens,GeneratedTokens,Model\n" + good) ==
        "t.csv:1: Model: is not a column of this format");
  CHECK(complaint("TIMESTAMP,ContextTokens,ContextTokens\n" + good) ==
        "t.csv:1: ContextTokens: is in the header twice");
}

TEST_CASE("Azure trace: a file without a request is refused") {
  CHECK(complaint(header) == "t.csv: holds no request");
}
