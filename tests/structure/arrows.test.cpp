// SPDX-License-Identifier: Apache-2.0
// The rooms of include/pdroute, and which room may include which: docs/design-notes.md draws what is tested here.
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "source_files.hpp"

namespace {

using structure::files_below;
using structure::lines_of;
using Rooms = std::set<std::string>;

/// "" is the room of the nouns, the headers directly in include/pdroute.
const std::map<std::string, Rooms> may_include{
    {"", {}},
    {"load", {""}},
    {"session", {""}},
    {"cost", {"", "load"}},
    {"policy", {"", "load", "cost", "session"}},
    {"pool", {"", "load"}},
    {"router", {"", "load", "policy", "pool"}},
    {"adapt", {"", "load", "cost", "policy", "session", "pool", "router"}},
};
/// The rooms whose detail/ a detail/ header may include, beside its own. A public header includes none of them.
const std::map<std::string, Rooms> may_include_detail{
    {"", {}},
    {"load", {""}},
    {"session", {""}},
    {"cost", {"", "load"}},
    {"policy", {"", "load", "cost"}},
    {"pool", {""}},
    {"router", {"", "pool", "policy"}},
    {"adapt", {}},
};

struct Header {
  std::string room;
  bool detail = false;
};

/// Where a header stands, by its path below include/pdroute.
Header header_at(const std::string& path) {
  static const std::regex shape(R"((?:([a-z]+)/)??(detail/)?[a-z0-9_]+\.hpp)");
  std::smatch match;
  INFO(path << " is a header of a room or of its detail/");
  REQUIRE(std::regex_match(path, match, shape));
  return {match[1], match[2].matched};
}

/// Why `from` must not include `to`, if so.
std::optional<std::string> fault(const Header& from, const Header& to) {
  if (from.room == to.room) return std::nullopt;
  if (!may_include.at(from.room).contains(to.room)) return "no arrow leads there";
  if (!to.detail) return std::nullopt;
  if (!from.detail) return "a public header includes no detail/ of another room";
  if (!may_include_detail.at(from.room).contains(to.room)) return "no arrow leads to that detail/";
  return std::nullopt;
}

std::vector<std::string> headers() {
  std::vector<std::string> all;
  for (const std::string& file : files_below("include/pdroute", {".hpp"}))
    all.push_back(file.substr(std::string("include/pdroute/").size()));
  return all;
}

std::vector<std::string> includes_of(const std::string& header) {
  static const std::regex include(R"(#include <pdroute/([^>]+)>)");
  std::vector<std::string> included;
  for (const std::string& line : lines_of("include/pdroute/" + header)) {
    std::smatch match;
    if (std::regex_match(line, match, include)) included.push_back(match[1]);
  }
  return included;
}

}  // namespace

TEST_CASE("structure: a header that includes against an arrow, or another room's detail, is named") {
  int includes = 0;
  for (const std::string& header : headers()) {
    if (header == "pdroute.hpp") continue;  // includes every public header
    for (const std::string& included : includes_of(header)) {
      ++includes;
      const auto why = fault(header_at(header), header_at(included));
      INFO(header << " includes " << included << ": " << why.value_or(""));
      CHECK_FALSE(why);
    }
  }
  CHECK(includes > 100);
}

TEST_CASE("structure: the rule finds upward arrows and foreign details") {
  CHECK(fault(header_at("load/latency.hpp"), header_at("cost/cost.hpp")));
  CHECK(fault(header_at("pool/lease.hpp"), header_at("policy/random.hpp")));
  CHECK(fault(header_at("policy/rendezvous.hpp"), header_at("load/detail/load_of.hpp")));
  CHECK(fault(header_at("adapt/fmt.hpp"), header_at("pool/detail/slot.hpp")));
  CHECK(fault(header_at("pool/detail/slot.hpp"), header_at("load/detail/ewma.hpp")));
  CHECK_FALSE(fault(header_at("policy/detail/policy_traits.hpp"), header_at("load/detail/load_of.hpp")));
  CHECK_FALSE(fault(header_at("pool/endpoint_pool.hpp"), header_at("pool/detail/membership.hpp")));
  CHECK_FALSE(fault(header_at("pool/detail/membership.hpp"), header_at("detail/endpoint_access.hpp")));
}

TEST_CASE("structure: the umbrella header includes every public header but the adapters") {
  std::set<std::string> expected;
  for (const std::string& header : headers()) {
    const Header where = header_at(header);
    if (!where.detail && where.room != "adapt" && header != "pdroute.hpp") expected.insert(header);
  }
  const auto included = includes_of("pdroute.hpp");
  CHECK(std::set<std::string>(included.begin(), included.end()) == expected);
  CHECK(included.size() == expected.size());
}

TEST_CASE("structure: CMakeLists.txt lists every header once") {
  static const std::regex listed(R"(\s*include/pdroute/([a-z0-9_/]+\.hpp)\)?)");
  std::vector<std::string> in_list;
  for (const std::string& line : lines_of("CMakeLists.txt")) {
    std::smatch match;
    if (std::regex_match(line, match, listed)) in_list.push_back(match[1]);
  }
  const auto on_disk = headers();
  CHECK(std::set<std::string>(in_list.begin(), in_list.end()) == std::set<std::string>(on_disk.begin(), on_disk.end()));
  CHECK(in_list.size() == on_disk.size());
}

TEST_CASE("structure: every header says in its first line what it is for, and stays short enough to read") {
  for (const std::string& header : headers()) {
    const auto lines = lines_of("include/pdroute/" + header);
    INFO(header << " has " << lines.size() << " lines");
    REQUIRE(lines.size() > 2);
    CHECK(lines[0] == "// SPDX-License-Identifier: Apache-2.0");
    CHECK(lines[1].starts_with("// "));
    CHECK(lines.size() <= 300);
  }
}
