// SPDX-License-Identifier: Apache-2.0
// Opt-in: what a router knows about itself, as text for Prometheus. Needs the standard library alone.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/refusals.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// What `append_prometheus` asks of a router, as `DisaggregatedRouter` has it.
template <class R>
concept ReportingRouter = requires(const R& router, Role role) {
  { router.endpoints(role)[0].outcomes } -> std::convertible_to<Outcomes>;
  { router.refusals(role) } -> std::same_as<Refusals>;
};

namespace detail {

inline void append_label_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
}
void append_label_value(std::string& out, std::integral auto value) {
  out += std::to_string(value);
}

/// Samples of one name. The lines that describe it come before the first, and without any sample not at all.
class PrometheusFamily {
 public:
  struct About {
    std::string_view name;
    std::string_view type;
    std::string_view help;
  };

  PrometheusFamily(std::string& out, const About& about) : out_(out), about_(about) {}

  /// `labels` as they stand between the braces.
  void sample(std::string_view labels, std::uint64_t value) {
    if (!described_) {
      out_.append("# HELP ").append(about_.name).append(" ").append(about_.help).append("\n");
      out_.append("# TYPE ").append(about_.name).append(" ").append(about_.type).append("\n");
      described_ = true;
    }
    out_.append(about_.name).append("{").append(labels).append("} ").append(std::to_string(value)).append("\n");
  }
  /// The same with one label more, whose value needs no escapes.
  void sample(std::string_view labels, std::string_view label, std::string_view label_value, std::uint64_t value) {
    std::string all(labels);
    all.append(",").append(label).append("=\"").append(label_value).append("\"");
    sample(all, value);
  }

 private:
  std::string& out_;
  About about_;
  bool described_ = false;
};

/// One role's report, read once, so that all families tell the same moment.
template <ReportingRouter Router>
struct PrometheusReport {
  PrometheusReport(const Router& router, Role role)
      : role_label(std::string("role=\"").append(to_string(role)).append("\"")),
        endpoints(router.endpoints(role)),
        refusals(router.refusals(role)) {
    labels.reserve(endpoints.size());
    for (const auto& status : endpoints) {
      std::string& label = labels.emplace_back(role_label);
      label += ",endpoint=\"";
      detail::append_label_value(label, status.id);
      label += '"';
    }
  }

  std::string role_label;
  decltype(std::declval<const Router&>().endpoints(Role::prefill)) endpoints;
  Refusals refusals;
  std::vector<std::string> labels;  // of each endpoint
};

}  // namespace detail

/// Appends the router's endpoints, leases and refusals in Prometheus' text format 0.0.4, for the body of a
/// `GET /metrics`: `Content-Type: text/plain; version=0.0.4`. All names begin with `pdroute_`; docs/metrics.md says
/// what each means. `out` may hold other metrics before and get more behind, but only one router: Prometheus wants all
/// samples of a name in one place.
///
/// Ids become label values, escaped. They must be UTF-8, for Prometheus refuses a text that is not, as a whole.
///
/// Consistency. Each role is read once, its endpoints one after the other while requests go on: a sum over endpoints,
/// or of leases in flight and ended, can be off by the requests that came or ended meanwhile. Counters never fall while
/// an endpoint lives. One that comes back under its id counts from zero, which Prometheus knows as a reset; one that
/// has been removed is not shown any more, and neither are its leases that still run.
///
/// Complexity: O(endpoints); allocates. Each role's membership is locked while its report is copied, as by
/// `router.endpoints`: those who route wait for that only if the membership has just changed.
/// Thread safety: may be called from many threads at once, each with its own `out`.
template <ReportingRouter Router>
void append_prometheus(std::string& out, const Router& router) {
  using Family = detail::PrometheusFamily;
  const std::array reports{detail::PrometheusReport<Router>(router, Role::prefill),
                           detail::PrometheusReport<Router>(router, Role::decode)};

  Family states(out, {"pdroute_endpoints", "gauge", "Members of the role by state; eligible ones may be chosen."});
  for (const auto& report : reports) {
    std::uint64_t eligible = 0;
    std::uint64_t unhealthy = 0;
    std::uint64_t paused = 0;
    std::uint64_t draining = 0;
    std::uint64_t ejected = 0;
    for (const auto& status : report.endpoints) {  // in the order of NoEndpoint
      ++(status.health != Health::healthy     ? unhealthy
         : status.intake != Intake::accepting ? paused
         : status.draining                    ? draining
         : !status.eligible()                 ? ejected
                                              : eligible);
    }
    states.sample(report.role_label, "state", "eligible", eligible);
    states.sample(report.role_label, "state", "unhealthy", unhealthy);
    states.sample(report.role_label, "state", "paused", paused);
    states.sample(report.role_label, "state", "draining", draining);
    states.sample(report.role_label, "state", "ejected", ejected);
  }

  const auto gauge = [&](std::string_view name, std::string_view help, const auto& read) {
    Family family(out, {name, "gauge", help});
    for (const auto& report : reports) {
      for (std::size_t i = 0; i < report.endpoints.size(); ++i) {
        const std::optional<std::uint64_t> value = read(report.endpoints[i]);
        if (value) family.sample(report.labels[i], *value);
      }
    }
  };
  gauge("pdroute_leases_in_flight", "Leases that have not ended.", [](const auto& s) { return s.in_flight; });
  gauge("pdroute_leases_limit", "The most leases at once, where there is a limit.",
        [](const auto& s) { return s.capacity.requests; });
  LimitedQuantities::each([&]<const LimitedQuantity & quantity>() {
    const std::string name = std::string("pdroute_").append(quantity.name);
    const std::string unit(quantity.unit);
    gauge(name + "_held", "What leases hold together, where the role counts it: " + unit + ".",
          [](const auto& s) { return s.*quantity.held; });
    gauge(name + "_limit", "The most at which a lease is given, where there is a limit: " + unit + ".",
          [](const auto& s) { return s.capacity.*quantity.limit; });
  });

  Family ended(out, {"pdroute_leases_ended_total", "counter", "Leases that have ended, by how they ended."});
  for (const auto& report : reports) {
    for (std::size_t i = 0; i < report.endpoints.size(); ++i) {
      report.endpoints[i].outcomes.each([&](std::string_view outcome, std::uint64_t count) {
        ended.sample(report.labels[i], "outcome", outcome, count);
      });
    }
  }

  Family refused(
      out, {"pdroute_refusals_total", "counter", "Routing calls that found nobody in the role; each try counts."});
  for (const auto& report : reports) refused.sample(report.role_label, report.refusals.requests);

  Family reasons(out, {"pdroute_refusal_reasons_total", "counter",
                       "Refused requests for which this ruled out an endpoint; a request can have several reasons."});
  for (const auto& report : reports) {
    report.refusals.each_reason([&](std::string_view reason, std::uint64_t requests) {
      reasons.sample(report.role_label, "reason", reason, requests);
    });
  }
}

}  // namespace v0
}  // namespace pdroute
