// SPDX-License-Identifier: Apache-2.0
#include <pdroute/config_error.hpp>

#include <pdroute/capacity.hpp>
#include <pdroute/policy/session_table.hpp>
#include <pdroute/pool/lease_table.hpp>
#include <pdroute/pool/slot.hpp>
#include <set>
#include <string>
#include <string_view>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using Rule = pdroute::ConfigError::Rule;
using Table = pdroute::LeaseTable<pdroute::Lease<pdroute::Slot<pdroute::Role::prefill, Engine>>>;

std::string_view text(Rule rule) {
  return to_string(rule);
}

bool says(Rule rule, const std::string& words) {
  return std::string(text(rule)).find(words) != std::string::npos;
}

std::string with_commas(std::size_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

}  // namespace

TEST_CASE("every rule is a sentence of its own") {
  const std::set<std::string_view> sentences{text(Rule::id_not_empty),       text(Rule::id_unique),
                                             text(Rule::id_known),           text(Rule::window_in_range),
                                             text(Rule::weight_in_range),    text(Rule::capacity_in_range),
                                             text(Rule::capacity_counted),   text(Rule::detached_leases_in_range),
                                             text(Rule::sessions_in_range),  text(Rule::idle_in_range),
                                             text(Rule::session_table_given)};
  CHECK(sentences.size() == 11);
  CHECK(sentences.count("") == 0);
}

TEST_CASE("the numbers in the sentences are those of the code") {
  CHECK(says(Rule::capacity_in_range, "at most " + with_commas(pdroute::Capacity::most_requests)));
  CHECK(says(Rule::detached_leases_in_range, "at most " + with_commas(Table::most_places)));
  CHECK(says(Rule::sessions_in_range, "at most " + with_commas(pdroute::SessionTable::most_places)));
}

TEST_CASE("a limit on what is not counted comes with the remedy") {
  CHECK(says(Rule::capacity_counted, "Counting<Policy, Tokens> or KvTokens"));
}
