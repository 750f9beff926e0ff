// SPDX-License-Identifier: Apache-2.0
// Opt-in: writes what a router knows about itself as text for Prometheus. Needs only the standard library.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/refusals.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// A router that `append_prometheus` can read, such as `DisaggregatedRouter`: it has `endpoints(role)`, with the
/// `Outcomes` of each endpoint, and `refusals(role)`.
template <class R>
concept ReportingRouter = requires(const R& router, Role role) {
  { router.endpoints(role)[0].outcomes } -> std::convertible_to<Outcomes>;
  { router.refusals(role) } -> std::same_as<Refusals>;
};

namespace detail {

/// Appends a label value, escaped.
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
/// Appends an integer as a label value.
void append_label_value(std::string& out, std::integral auto value) {
  out += std::to_string(value);
}

/// A metric family: the samples of one name. Writes the lines that describe the family before the first sample. Without
/// a sample, it writes nothing.
class PrometheusFamily {
 public:
  /// What describes the family.
  struct About {
    std::string_view name;  ///< of the metric
    std::string_view type;  ///< "gauge" or "counter"
    std::string_view help;  ///< one line that says what it means
  };

  /// `out` must outlive this object.
  PrometheusFamily(std::string& out, const About& about) : out_(out), about_(about) {}

  /// Writes a sample. `labels` is the text between the braces.
  void sample(std::string_view labels, std::uint64_t value) {
    if (!described_) {
      out_.append("# HELP ").append(about_.name).append(" ").append(about_.help).append("\n");
      out_.append("# TYPE ").append(about_.name).append(" ").append(about_.type).append("\n");
      described_ = true;
    }
    out_.append(about_.name).append("{").append(labels).append("} ").append(std::to_string(value)).append("\n");
  }
  /// Writes a sample with one further label. Precondition: its value needs no escapes.
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

/// What a router reports about one role. It is read once, so that all families show the same figures.
template <ReportingRouter Router>
struct PrometheusReport {
  /// Reads the role from the router. Locks the role's membership while it copies.
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

  std::string role_label;                                                      ///< as `role="prefill"`
  decltype(std::declval<const Router&>().endpoints(Role::prefill)) endpoints;  ///< the members of the role
  Refusals refusals;                                                           ///< of the role
  std::vector<std::string> labels;                                             ///< the labels of each endpoint
};

}  // namespace detail

/// Appends the router's endpoints, leases and refusals to `out`, in Prometheus' text format 0.0.4. Use it for the body
/// of `GET /metrics`, with `Content-Type: text/plain; version=0.0.4`. All names begin with `pdroute_`; docs/metrics.md
/// says what each means. `out` may contain other metrics before and after, but only one router, because Prometheus
/// requires all samples of a name in one place.
///
/// Ids become label values and are escaped. They must be UTF-8, because Prometheus refuses the whole text otherwise.
///
/// Consistency: each role is read once, its endpoints one after the other, while requests go on. So a sum over
/// endpoints, or of leases in flight and ended, can differ by the requests that came or ended meanwhile. Counters of an
/// endpoint never fall while it lives. An endpoint that comes back with its id counts from zero, which Prometheus
/// recognises as a reset. An endpoint that was removed is not shown, and its leases that still run are not shown
/// either.
///
/// Complexity: O(endpoints); allocates. Each role's membership is locked while its report is copied, as by
/// `router.endpoints`. A thread that routes waits for that lock only if the membership has just changed.
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
    std::uint64_t bound_only = 0;
    for (const auto& status : report.endpoints) {  // the first that applies, in the order of NoEndpoint
      const bool left_out = status.ejection == EjectionPhase::ejected || status.ejection == EjectionPhase::tripped;
      ++(status.health != Health::healthy && !status.fail_open   ? unhealthy
         : status.intake == Intake::paused || status.weight == 0 ? paused
         : status.draining                                       ? draining
         : left_out                                              ? ejected
         : status.intake == Intake::bound_only                   ? bound_only
                                                                 : eligible);
    }
    states.sample(report.role_label, "state", "eligible", eligible);
    states.sample(report.role_label, "state", "unhealthy", unhealthy);
    states.sample(report.role_label, "state", "paused", paused);
    states.sample(report.role_label, "state", "draining", draining);
    states.sample(report.role_label, "state", "ejected", ejected);
    states.sample(report.role_label, "state", "bound_only", bound_only);
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
  LimitedQuantities::each([&]<QuantityRef quantity>() {
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

  Family abandoned(out, {"pdroute_leases_abandoned_total", "counter",
                         "Leases cancelled by destruction after KV was staged; part of outcome=\"cancelled\"."});
  for (const auto& report : reports) {
    for (std::size_t i = 0; i < report.endpoints.size(); ++i)
      abandoned.sample(report.labels[i], report.endpoints[i].outcomes.abandoned);
  }

  Family refused(
      out, {"pdroute_refusals_total", "counter", "Routing calls that found no endpoint in the role; each try counts."});
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
