// SPDX-License-Identifier: Apache-2.0
// Formats the results of replays.
#include "report.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <pdroute/role.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

namespace {

using nlohmann::ordered_json;
using Shares = std::vector<EndpointShare>;

std::string ratio(std::optional<double> value) {
  return value ? fmt::format("{:.3f}", *value) : "-";
}

std::string rounded(std::optional<double> value) {
  return value ? grouped(static_cast<std::uint64_t>(std::llround(*value))) : "-";
}

void add_role(std::string& text, const Shares& shares, const Outstanding& outstanding, std::string_view role,
              std::string_view tokens) {
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "  {:<10}{:>12}{:>18}\n", role, "requests", tokens);
  for (const EndpointShare& share : shares) {
    fmt::format_to(out, "  {:<10}{:>12}{:>18}\n", share.id, grouped(share.requests), grouped(share.tokens));
  }
  fmt::format_to(out, "  {:<10}{:>12}{:>18}\n", "max/mean", ratio(max_over_mean(shares, &EndpointShare::requests)),
                 ratio(max_over_mean(shares, &EndpointShare::tokens)));
  fmt::format_to(out, "  {:<22}{:>18}\n", "outstanding max/mean", ratio(max_over_mean(outstanding)));
  fmt::format_to(out, "  {:<22}{:>18}\n\n", "tokens ahead", rounded(tokens_ahead(outstanding)));
}

/// The value as JSON, or null if there is none.
ordered_json json_of(std::optional<double> value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json json_of(const Outcome& outcome) {
  ordered_json shares = ordered_json::array();
  for (const Shares* role : {&outcome.prefill, &outcome.decode}) {
    for (const EndpointShare& share : *role) {
      shares.push_back({{"id", share.id},
                        {"role", pdroute::to_string(share.role)},
                        {"requests", share.requests},
                        {"tokens", share.tokens}});
    }
  }
  return {{"policy", outcome.prefill_policy},
          {"decode_policy", outcome.decode_policy},
          {"requests", outcome.requests},
          {"unrouted", unrouted_requests(outcome)},
          {"unrouted_reasons", outcome.unrouted},
          {"cancelled", outcome.cancelled},
          {"in_flight_end", outcome.in_flight_end},
          {"per_endpoint", shares},
          {"imbalance_max_over_mean",
           {{"prefill", json_of(max_over_mean(outcome.prefill, &EndpointShare::requests))},
            {"decode", json_of(max_over_mean(outcome.decode, &EndpointShare::requests))}}},
          {"token_imbalance_max_over_mean",
           {{"prefill", json_of(max_over_mean(outcome.prefill, &EndpointShare::tokens))},
            {"decode", json_of(max_over_mean(outcome.decode, &EndpointShare::tokens))}}},
          {"outstanding_max_over_mean",
           {{"prefill", json_of(max_over_mean(outcome.prefill_outstanding))},
            {"decode", json_of(max_over_mean(outcome.decode_outstanding))}}},
          {"tokens_ahead",
           {{"prefill", json_of(tokens_ahead(outcome.prefill_outstanding))},
            {"decode", json_of(tokens_ahead(outcome.decode_outstanding))}}},
          {"decision_ns", outcome.cost.median.count()}};
}

}  // namespace

std::string grouped(std::uint64_t number) {
  if (number < 1000) return fmt::format("{}", number);
  return fmt::format("{},{:03}", grouped(number / 1000), number % 1000);
}

std::string trace_line(std::string_view name, const Trace& trace) {
  std::uint64_t prompt = 0;
  std::uint64_t output = 0;
  for (const TraceRequest& request : trace) {
    prompt += request.prompt_tokens;
    output += request.output_tokens;
  }
  const auto seconds = std::chrono::duration<double>(trace.back().arrival).count();
  const std::uint64_t n = trace.size();
  return fmt::format("{}: {} requests in {:.0f} s, prompts of {} tokens on average, outputs of {}\n", name, grouped(n),
                     seconds, grouped(prompt / n), grouped(output / n));
}

std::string table(const Outcome& outcome) {
  std::string text = fmt::format("\nprefill by {}, decode by {}\n\n", outcome.prefill_policy, outcome.decode_policy);
  add_role(text, outcome.prefill, outcome.prefill_outstanding, "prefill", "prompt tokens");
  add_role(text, outcome.decode, outcome.decode_outstanding, "decode", "output tokens");
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "  unrouted {}, cancelled {}, left in flight {}\n", grouped(unrouted_requests(outcome)),
                 grouped(outcome.cancelled), grouped(outcome.in_flight_end));
  for (const auto& [reason, requests] : outcome.unrouted) {
    fmt::format_to(out, "    {}: {} {}\n", reason, grouped(requests), requests == 1 ? "request" : "requests");
  }
  fmt::format_to(out, "  a decision took {} ns (median over {} calls of route, less {} ns for reading the clock)\n",
                 outcome.cost.median.count(), grouped(outcome.requests), outcome.cost.timer.count());
  return text;
}

std::string comparison(std::span<const Outcome> outcomes) {
  constexpr std::string_view row = "| {:<20} | {:>14} | {:>11} | {:>9} | {:>13} | {:>11} | {:>9} |\n";
  std::string text =
      fmt::format(row, "policy", "prefill tokens", "outstanding", "ahead", "decode tokens", "outstanding", "ahead");
  text += "| --- | --: | --: | --: | --: | --: | --: |\n";
  for (const Outcome& outcome : outcomes) {
    text += fmt::format(
        row, outcome.prefill_policy, ratio(max_over_mean(outcome.prefill, &EndpointShare::tokens)),
        ratio(max_over_mean(outcome.prefill_outstanding)), rounded(tokens_ahead(outcome.prefill_outstanding)),
        ratio(max_over_mean(outcome.decode, &EndpointShare::tokens)), ratio(max_over_mean(outcome.decode_outstanding)),
        rounded(tokens_ahead(outcome.decode_outstanding)));
  }
  return text;
}

std::string json_text(std::span<const Outcome> outcomes) {
  ordered_json all = ordered_json::array();
  for (const Outcome& outcome : outcomes) all.push_back(json_of(outcome));
  return all.dump(2) + "\n";
}

}  // namespace replay
