// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/engine_report.hpp>
//
#include <cmath>
#include <cstdint>
#include <pdroute/load/load_metric.hpp>
#include <type_traits>

#include "catch2_compat.hpp"

using pdroute::EngineReport;
using pdroute::ReadsReported;
using pdroute::ReportFigure;

static_assert(pdroute::LoadMetric<ReadsReported<ReportFigure::running>>);
static_assert(std::is_empty_v<ReadsReported<ReportFigure::running>>);

TEST_CASE("engine report: a report has the figures that were given, and each has its member's name") {
  const EngineReport running{.running = 0};
  CHECK(running.has(ReportFigure::running));
  CHECK_FALSE(running.has(ReportFigure::waiting));
  CHECK_FALSE(running.has(ReportFigure::kv_cache));
  CHECK(EngineReport{.waiting = 0}.has(ReportFigure::waiting));
  CHECK(EngineReport{.kv_cache = EngineReport::KvCache{}}.has(ReportFigure::kv_cache));
  CHECK(to_string(ReportFigure::running) == "running");
  CHECK(to_string(ReportFigure::waiting) == "waiting");
  CHECK(to_string(ReportFigure::kv_cache) == "kv_cache");
}

TEST_CASE("engine report: impossible figures are refused, and the error names them") {
  const auto refused = [](double usage, std::uint64_t tokens) {
    return EngineReport{.kv_cache = EngineReport::KvCache{usage, tokens}}.check().has_value();
  };
  CHECK_FALSE(EngineReport{}.check());
  CHECK_FALSE(refused(0, 1));
  CHECK_FALSE(refused(1, 1));
  CHECK(refused(-0.01, 1));
  CHECK(refused(1.01, 1));
  CHECK(refused(std::nan(""), 1));
  CHECK(refused(0.5, 0));
  CHECK(EngineReport{.kv_cache = EngineReport::KvCache{35, 10}}.check()->text() ==
        "a KV cache's usage must be from 0 to 1, and at least one token must fit: 35 of 10 tokens");
}
