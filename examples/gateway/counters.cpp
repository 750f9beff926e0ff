// SPDX-License-Identifier: Apache-2.0
#include "counters.hpp"

#include <fmt/format.h>
#include <iterator>

namespace gateway {

void append_counters(std::string& out, std::span<const Counters* const> loops) {
  const auto to = std::back_inserter(out);
  const auto sum = [&](const auto& read) {
    std::uint64_t all = 0;
    for (const Counters* counters : loops) all += read(*counters).load(std::memory_order_relaxed);
    return all;
  };
  const auto describe = [&](std::string_view name, std::string_view help) {
    fmt::format_to(to, "# HELP {0} {1}\n# TYPE {0} counter\n", name, help);
  };
  const auto one = [&](std::string_view name, std::string_view help, const auto& member) {
    describe(name, help);
    fmt::format_to(to, "{} {}\n", name, sum([&](const Counters& c) -> const auto& { return c.*member; }));
  };

  // Endings are read before starts, so that a page never shows more endings than starts.
  describe("gateway_requests_ended_total", "Completion requests that have ended, each once, by how.");
  for (std::size_t i = 0; i < ending_names.size(); ++i) {
    fmt::format_to(to, "gateway_requests_ended_total{{how=\"{}\"}} {}\n", ending_names[i],
                   sum([&](const Counters& c) -> const auto& { return c.ended[i]; }));
  }
  one("gateway_requests_started_total", "Completion requests that have come.", &Counters::started);
  one("gateway_retries_total", "Further tries after an engine failed.", &Counters::retries);
  one("gateway_choices_total", "Calls of the dispatcher.", &Counters::choices);
  one("gateway_choice_allocations_total", "Allocations made within these calls.", &Counters::choice_allocations);
}

}  // namespace gateway
