// SPDX-License-Identifier: Apache-2.0
#include <pdroute/config_error.hpp>

#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/detail/lease_table.hpp>
#include <pdroute/pool/detail/slot.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/session/session_table.hpp>
#include <set>
#include <string>
#include <string_view>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using Rule = pdroute::ConfigError::Rule;
using Table = pdroute::detail::LeaseTable<pdroute::Lease<pdroute::detail::Slot<pdroute::Role::prefill, Engine>>>;

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

TEST_CASE("config error: every rule has a text, and no two texts are equal") {
  std::set<std::string_view> sentences;
  int rules = 0;
  while (!text(static_cast<Rule>(rules)).empty()) sentences.insert(text(static_cast<Rule>(rules++)));
  CHECK(sentences.size() == static_cast<std::size_t>(rules));
  for (int none = rules; none < 256; ++none)
    CHECK(text(static_cast<Rule>(none)).empty());  // the texts end here, without a gap
  CHECK(rules > 10);
}

TEST_CASE("config error: the limits in the texts equal the constants in the code") {
  CHECK(says(Rule::capacity_in_range, "at most " + with_commas(pdroute::Capacity::max_requests)));
  CHECK(says(Rule::detached_leases_in_range, "at most " + with_commas(Table::max_places)));
  CHECK(says(Rule::sessions_in_range, "at most " + with_commas(pdroute::SessionTable::max_places)));
  CHECK(says(Rule::endpoint_weight_in_range, "from 0 to " + with_commas(pdroute::max_endpoint_weight)));
}

TEST_CASE("config error: a limit on a metric that is not counted, the text names WithMetrics as the remedy") {
  CHECK(says(Rule::capacity_counted, "WithMetrics<Policy, Tokens> or KvTokens"));
}
