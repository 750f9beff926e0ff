// SPDX-License-Identifier: Apache-2.0
// EngineReport, what an engine reports of its own load; and ReadsReported, which says what a cost reads of it.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/config_error.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// The figures of an `EngineReport`.
enum class ReportFigure : std::uint8_t {
  running,  ///< `EngineReport::running`
  waiting,  ///< `EngineReport::waiting`
  kv_cache  ///< `EngineReport::kv_cache`
};

/// The name of a figure, as that of the member of `EngineReport`. The text has static storage.
[[nodiscard]] constexpr std::string_view to_string(ReportFigure figure) noexcept {
  switch (figure) {
    case ReportFigure::running: return "running";
    case ReportFigure::waiting: return "waiting";
    case ReportFigure::kv_cache: return "kv_cache";
  }
  return "";
}

/// A load report (ORCA's term): what an engine says about its own load at one moment, taken from its metrics,
/// heartbeats or answers. A figure that the engine does not give is absent.
struct EngineReport {
  /// The engine's memory for keys and values.
  struct KvCache {
    double usage = 0;          ///< the share in use, from 0 to 1
    std::uint64_t tokens = 0;  ///< the number of tokens that fit in all, at least 1
  };
  std::optional<std::uint32_t> running = {};  ///< requests that the engine works on
  std::optional<std::uint32_t> waiting = {};  ///< requests that the engine has queued
  std::optional<KvCache> kv_cache = {};       ///< the engine's memory for keys and values

  /// Whether the report holds the figure.
  [[nodiscard]] constexpr bool has(ReportFigure figure) const noexcept {
    switch (figure) {
      case ReportFigure::running: return running.has_value();
      case ReportFigure::waiting: return waiting.has_value();
      case ReportFigure::kv_cache: return kv_cache.has_value();
    }
    return false;
  }

  /// What is wrong with the report: a `kv_cache` with a usage outside [0, 1] or with no tokens; none if nothing is
  /// wrong.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (!kv_cache || (kv_cache->usage >= 0 && kv_cache->usage <= 1 && kv_cache->tokens > 0)) return std::nullopt;
    return ConfigError{
        ConfigError::Rule::kv_cache_in_range,
        detail::number_text(kv_cache->usage).append(" of ").append(std::to_string(kv_cache->tokens)).append(" tokens")};
  }
};

/// A mark among the load metrics of a role: some cost reads this figure of the reports. It measures and stores nothing.
///
/// A cost that reads reports names, beside `EngineReports`, each figure that it reads:
///
///     using Load = pdroute::Loads<pdroute::EngineReports, pdroute::ReadsReported<pdroute::ReportFigure::waiting>>;
///
/// Then `report` tells when a report holds nothing that the role reads. A role with `EngineReports` and without any
/// mark counts as reading all figures.
template <ReportFigure figure>
struct ReadsReported {
  struct Options {};  ///< there are none
  struct Held {};     ///< a lease stores nothing; a type of its own, because equal empty types would take up space

  ReadsReported() = default;  ///< stores nothing
  /// Stores nothing.
  constexpr explicit ReadsReported(Options /*options*/) noexcept {}
};

}  // namespace v0
}  // namespace pdroute
