// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/engine_reports.hpp>
//
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <pdroute/manual_clock.hpp>
#include <string>
#include <thread>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::EngineReport;
using pdroute::EngineReports;
using pdroute::Estimate;
using pdroute::ReadsReported;
using pdroute::ReportFigure;
using Rule = pdroute::ConfigError::Rule;

namespace {

constexpr auto at(std::chrono::nanoseconds since) {
  return pdroute::ManualClock::time_point{since};
}
constexpr auto first_moment = at(std::chrono::nanoseconds::min());
constexpr auto last_moment = at(std::chrono::nanoseconds::max());
constexpr Estimate unknown{};

/// The metric of one endpoint, told of each report at once.
struct Engine : EngineReports {
  explicit Engine(const Options& options = {}) : EngineReports(options) {}
  void says(const EngineReport& what, pdroute::ManualClock::time_point made_at, const Own& own = {}) {
    report(what, made_at, made_at, own);
  }
  /// The queue as the cost sees it.
  [[nodiscard]] double queue(std::uint32_t in_flight) const {
    return queue_beyond_own(at(1s), in_flight).value + in_flight;
  }
  [[nodiscard]] double kv_usage(std::uint64_t tokens) const {
    return kv_usage_beyond_own(at(1s), tokens).value + static_cast<double>(tokens) * kv_usage_per_token(at(1s)).value;
  }
};
EngineReport kv(double usage, std::uint64_t tokens) {
  return {.kv_cache = EngineReport::KvCache{usage, tokens}};
}

}  // namespace

TEST_CASE("engine reports: before the first report, everything is unknown") {
  const Engine engine;
  CHECK(engine.running_of_others(at(1s)) == unknown);
  CHECK(engine.waiting_of_others(at(1s)) == unknown);
  CHECK(engine.requests_of_others(at(1s)) == unknown);
  CHECK(engine.queue_beyond_own(at(1s), 7) == unknown);
  CHECK(engine.kv_usage_beyond_own(at(1s), 7) == unknown);
  CHECK(engine.kv_usage_per_token(at(1s)) == unknown);
  CHECK_FALSE(engine.report_age(at(1s)));
}

TEST_CASE("engine reports: own requests are subtracted, those of other gateways remain") {
  Engine engine;
  engine.says({.running = 10, .waiting = 4}, at(1s), {.in_flight = 5});
  CHECK(engine.requests_of_others(at(2s)) == Estimate{9, 1});
  CHECK(engine.queue_beyond_own(at(2s), 5) == Estimate{-1, 1});
  CHECK(engine.report_age(at(3s)) == std::chrono::nanoseconds{2s});
}

TEST_CASE("engine reports: more own requests than the report counts, those of others are zero and not negative") {
  Engine engine;
  engine.says({.running = 2, .waiting = 3}, at(1s), {.in_flight = 1000});
  CHECK(engine.running_of_others(at(1s)) == Estimate{0, 1});
  CHECK(engine.waiting_of_others(at(1s)) == Estimate{0, 1});
}

TEST_CASE("engine reports: KV usage beyond the own tokens is a share of the cache's size") {
  Engine engine;
  engine.says(kv(0.5, 1000), at(1s), {.kv_tokens = 200});
  CHECK(engine.kv_usage_beyond_own(at(1s), 200).value == Approx(0.3));
  CHECK(engine.kv_usage_per_token(at(1s)).value == Approx(0.001));
}

TEST_CASE("engine reports: the queue falls with own requests that end, rises with new ones, and has no credit") {
  Engine engine;
  engine.says({.running = 50, .waiting = 3}, at(1s), {.in_flight = 53});
  CHECK(engine.queue(53) == 3);
  CHECK(engine.queue(51) == 1);
  CHECK(engine.queue(54) == 4);
  CHECK(engine.queue(50) == 0);
  CHECK(engine.queue(0) == 0);  // all have ended: the engine is empty, not fifty requests emptier than that
  CHECK(engine.queue(20) == 20);
  CHECK(engine.queue(12) == 12);
}

TEST_CASE("engine reports: a busy exchange of own requests for others leaves the queue as it was reported") {
  Engine engine;
  engine.says({.running = 50, .waiting = 3}, at(1s), {.in_flight = 53});
  for (int i = 0; i < 1000; ++i) {
    CHECK(engine.queue(52) == 2);
    CHECK(engine.queue(53) == 3);
  }
}

TEST_CASE("engine reports: KV usage has no credit for tokens that were held and never used") {
  Engine engine;
  engine.says(kv(0.1, 1000), at(1s), {.kv_tokens = 500});
  CHECK(engine.kv_usage(500) == Approx(0.1));
  CHECK(engine.kv_usage(600) == Approx(0.2));
  CHECK(engine.kv_usage(400) == Approx(0).margin(1e-12));
  CHECK(engine.kv_usage(0) == Approx(0).margin(1e-12));
  CHECK(engine.kv_usage(300) == Approx(0.3));
  engine.says(kv(0.7, 1000), at(1s), {.kv_tokens = 300});
  CHECK(engine.kv_usage(0) == Approx(0.4));  // tokens of others stay
}

TEST_CASE("engine reports: `running` alone counts, and so does `waiting` alone") {
  Engine one;
  one.says({.running = 100}, at(1s), {.in_flight = 30});
  CHECK(one.running_of_others(at(1s)) == Estimate{70, 1});
  CHECK(one.waiting_of_others(at(1s)) == unknown);
  CHECK(one.requests_of_others(at(1s)) == unknown);
  CHECK(one.requests_known_in_part());
  Engine other;
  other.says({.waiting = 100}, at(1s), {.in_flight = 30});
  CHECK(other.running_of_others(at(1s)) == unknown);
  CHECK(other.waiting_of_others(at(1s)) == Estimate{70, 1});
  CHECK(other.requests_of_others(at(1s)) == unknown);
  CHECK(other.requests_known_in_part());
  other.says({.running = 1}, at(1s));
  CHECK_FALSE(other.requests_known_in_part());
  other.says({.running = 1}, at(62s));
  CHECK(other.requests_known_in_part());  // `waiting` is stale
}

TEST_CASE("engine reports: running and waiting come from two sources, and no own request is subtracted twice") {
  struct Case {
    const char* what;
    std::uint32_t running, own_then;   // first report
    std::uint32_t waiting, own_later;  // second report
    double others;
  };
  for (const Case& c :
       {Case{"nothing has changed in between", 60, 50, 7, 50, 17},
        Case{"own requests run, others wait", 50, 50, 30, 50, 30}, Case{"own requests wait, too", 10, 10, 50, 60, 0},
        Case{"own requests came later and run", 50, 0, 0, 50, 50},
        Case{"all own requests have ended, others wait", 50, 50, 30, 0, 30}}) {
    INFO(c.what);
    Engine engine;
    engine.says({.running = c.running}, at(1s), {.in_flight = c.own_then});
    engine.says({.waiting = c.waiting}, at(2s), {.in_flight = c.own_later});
    CHECK(engine.requests_of_others(at(2s)) == Estimate{c.others, 1});
  }
}

TEST_CASE("engine reports: figures from several sources are kept, and each becomes stale by itself") {
  Engine engine{{.stale_after = 10s}};
  engine.says({.running = 500, .waiting = 50}, at(1s));
  engine.says(kv(0.5, 10), at(5s));
  CHECK(engine.requests_of_others(at(5s)) == Estimate{550, 1});
  CHECK(engine.queue_beyond_own(at(5s), 0) == Estimate{50, 1});
  CHECK(engine.kv_usage_beyond_own(at(5s), 0) == Estimate{0.5, 1});
  CHECK(engine.report_age(at(5s)) == std::chrono::nanoseconds{0});
  engine.says({.waiting = 2}, at(6s));
  CHECK(engine.running_of_others(at(12s)) == unknown);  // last reported at 1 s
  CHECK(engine.waiting_of_others(at(12s)) == Estimate{2, 1});
  CHECK(engine.requests_of_others(at(12s)) == unknown);
  CHECK(engine.queue_beyond_own(at(12s), 0) == Estimate{2, 1});
  CHECK(engine.kv_usage_per_token(at(12s)) == Estimate{0.1, 1});
  CHECK(engine.kv_usage_beyond_own(at(15s + 1ns), 0) == unknown);
}

TEST_CASE("engine reports: own requests that ran by a stale report are not taken off a new queue") {
  Engine engine{{.stale_after = 10s}};
  engine.says({.running = 5}, at(1s), {.in_flight = 5});
  engine.says({.waiting = 9}, at(30s), {.in_flight = 5});
  CHECK(engine.waiting_of_others(at(30s)) == Estimate{4, 1});  // some of the five may wait
}

TEST_CASE("engine reports: an older report does not replace a newer one, a report of the same time does") {
  Engine engine;
  engine.report({.running = 7, .waiting = 7, .kv_cache = EngineReport::KvCache{0.7, 10}}, at(5s), at(6s), {});
  engine.report({.running = 1, .waiting = 1, .kv_cache = EngineReport::KvCache{0.1, 10}}, at(4s), at(6s), {});
  CHECK(engine.running_of_others(at(6s)) == Estimate{7, 1});
  CHECK(engine.waiting_of_others(at(6s)) == Estimate{7, 1});
  CHECK(engine.queue_beyond_own(at(6s), 0) == Estimate{7, 1});
  CHECK(engine.kv_usage_beyond_own(at(6s), 0).value == Approx(0.7));
  engine.report({.running = 2, .waiting = 2, .kv_cache = EngineReport::KvCache{0.2, 10}}, at(5s), at(6s), {});
  CHECK(engine.requests_of_others(at(6s)) == Estimate{4, 1});
  CHECK(engine.queue_beyond_own(at(6s), 0) == Estimate{2, 1});
  CHECK(engine.kv_usage_beyond_own(at(6s), 0).value == Approx(0.2));
}

TEST_CASE("engine reports: a stale report counts as unknown") {
  Engine engine{{.stale_after = 10s}};
  engine.says({.running = 7, .waiting = 0}, at(5s));
  CHECK(engine.requests_of_others(at(15s)) == Estimate{7, 1});
  CHECK(engine.requests_of_others(at(15s + 1ns)) == unknown);
}

TEST_CASE("engine reports: the clock steps back, the next report counts, and none from the future stays for long") {
  Engine engine{{.stale_after = 10s}};
  engine.says({.running = 7, .waiting = 7, .kv_cache = EngineReport::KvCache{0.7, 10}}, at(3600s));
  CHECK(engine.requests_of_others(at(3590s)) == Estimate{14, 1});  // stepped back by less than `stale_after`
  CHECK(engine.report_age(at(3590s)) == std::chrono::nanoseconds{0});
  CHECK(engine.requests_of_others(at(3590s - 1ns)) == unknown);
  engine.says({.running = 1, .waiting = 2, .kv_cache = EngineReport::KvCache{0.5, 10}}, at(20s));
  CHECK(engine.requests_of_others(at(20s)) == Estimate{3, 1});
  CHECK(engine.queue_beyond_own(at(20s), 0) == Estimate{2, 1});
  CHECK(engine.kv_usage_beyond_own(at(20s), 0) == Estimate{0.5, 1});
}

TEST_CASE("engine reports: the clock steps back so that one of two figures is unknown, and so is their sum") {
  Engine engine{{.stale_after = 30s}};
  engine.says({.running = 5}, at(100s));
  engine.report({.waiting = 3}, at(75s), at(100s), {});
  REQUIRE(engine.requests_of_others(at(100s)) == Estimate{8, 1});
  engine.says({.waiting = 2}, at(65s));
  CHECK(engine.running_of_others(at(65s)) == unknown);
  CHECK(engine.requests_of_others(at(65s)) == unknown);
}

TEST_CASE("engine reports: moments at both ends of the clock are moments like others") {
  Engine engine;
  engine.says({.running = 7, .waiting = 0}, first_moment);
  CHECK(engine.requests_of_others(first_moment) == Estimate{7, 1});
  CHECK(engine.requests_of_others(last_moment) == unknown);
  CHECK(engine.report_age(first_moment) == std::chrono::nanoseconds{0});
  CHECK(engine.report_age(last_moment) == std::chrono::nanoseconds::max());  // longer than that, in fact
  engine.says({.running = 8, .waiting = 0}, last_moment);
  CHECK(engine.requests_of_others(last_moment) == Estimate{8, 1});
  CHECK(engine.requests_of_others(first_moment) == unknown);
  engine.says({.running = 9, .waiting = 0}, first_moment);
  CHECK(engine.requests_of_others(first_moment) == Estimate{9, 1});
  const Engine always{{.stale_after = std::chrono::nanoseconds::max()}};
  CHECK(always.requests_of_others(last_moment) == unknown);  // still nothing reported
  CHECK(always.requests_of_others(at(-1ns)) == unknown);
}

TEST_CASE("engine reports: a report without a figure that the role reads is of no use, and the error names both") {
  const Engine engine;
  const auto error = [&]<class Load>(const Load* /*load*/, const EngineReport& what) {
    return engine.check_use<Load>(what, at(1s), at(1s));
  };
  struct Queue : EngineReports, ReadsReported<ReportFigure::waiting> {};
  struct Requests : Queue, ReadsReported<ReportFigure::running> {};
  struct Kv : EngineReports, ReadsReported<ReportFigure::kv_cache> {};
  const Queue* const queue = nullptr;
  const Requests* const requests = nullptr;
  const Kv* const cache = nullptr;
  const EngineReports* const unmarked = nullptr;

  CHECK_FALSE(error(queue, {.waiting = 1}));
  CHECK_FALSE(error(queue, {.running = 1, .waiting = 1}));
  CHECK(error(queue, {.running = 1}));
  CHECK(error(queue, kv(0, 1)));
  CHECK_FALSE(error(requests, {.running = 1}));
  CHECK_FALSE(error(requests, {.waiting = 1}));
  CHECK_FALSE(error(cache, kv(0, 1)));
  CHECK(error(cache, {.running = 1, .waiting = 1}));
  for (const EngineReport& what : {EngineReport{.running = 1}, EngineReport{.waiting = 1}, kv(0, 1)})
    CHECK_FALSE(error(unmarked, what));
  CHECK(error(unmarked, {})->rule == Rule::report_read);
  CHECK(error(requests, {})->text() ==
        "a report must hold a figure that a cost or a limit of its role reads: nothing; the role reads running, "
        "waiting");
  CHECK(error(cache, {.running = 1, .waiting = 1})->value == "running, waiting; the role reads kv_cache");
}

TEST_CASE("engine reports: a limit reads figures, too") {
  struct Kv : EngineReports, ReadsReported<ReportFigure::kv_cache> {};
  struct Queue : EngineReports, ReadsReported<ReportFigure::waiting> {};
  const auto of_use = []<class Load>(const Load* /*load*/, const Engine::Options& options, const EngineReport& what) {
    return !Engine{options}.check_use<Load>(what, at(1s), at(1s)).has_value();
  };
  const Kv* const cache = nullptr;
  const Queue* const queue = nullptr;
  CHECK(of_use(cache, {.max_requests = 1}, {.running = 1}));
  CHECK(of_use(cache, {.max_requests = 1}, {.waiting = 1}));
  CHECK(of_use(cache, {.max_waiting = 1}, {.waiting = 1}));
  CHECK_FALSE(of_use(cache, {.max_waiting = 1}, {.running = 1}));
  CHECK(of_use(queue, {.max_kv_usage = 1}, kv(0, 1)));
  CHECK_FALSE(of_use(queue, {.max_kv_usage = 1}, {.running = 1}));
}

TEST_CASE("engine reports: a report that is stale when it is passed on is of no use") {
  const Engine engine{{.stale_after = 10s}};
  CHECK_FALSE(engine.check_use<EngineReports>({.running = 1}, at(5s), at(15s)));
  const auto error = engine.check_use<EngineReports>({.running = 1}, at(5s), at(16s));
  CHECK(error->text() ==
        "a report must not be older than stale_after when it is passed on: 5000000000 ns, and it is 16000000000 ns");
  CHECK(engine.check_use<EngineReports>({.running = 1}, first_moment, last_moment));
}

TEST_CASE("engine reports: without limits nothing is at its limit") {
  Engine engine;
  CHECK_FALSE(engine.limited());
  engine.says({.running = 4'000'000'000U, .waiting = 4'000'000'000U, .kv_cache = EngineReport::KvCache{1, 1}}, at(1s));
  CHECK_FALSE(engine.at_limit(at(1s), {.in_flight = 4'000'000, .kv_tokens = 1'000'000}));
}

TEST_CASE("engine reports: the limit on requests counts others' as reported and own ones as they are now") {
  Engine engine{{.stale_after = 10s, .max_requests = 64}};
  CHECK(engine.limited());
  CHECK_FALSE(engine.at_limit(at(1s), {.in_flight = 1000}));               // nothing reported
  engine.says({.running = 60, .waiting = 20}, at(1s), {.in_flight = 50});  // 30 of others
  CHECK(engine.at_limit(at(1s), {.in_flight = 50}));
  CHECK(engine.at_limit(at(1s), {.in_flight = 34}));
  CHECK_FALSE(engine.at_limit(at(1s), {.in_flight = 33}));
  CHECK(engine.at_limit(at(11s), {.in_flight = 34}));
  CHECK_FALSE(engine.at_limit(at(11s + 1ns), {.in_flight = 34}));  // stale
  engine.says({.running = 64}, at(20s));
  CHECK(engine.at_limit(at(20s), {}));  // one figure is enough
  engine.says({.waiting = 64}, at(40s));
  CHECK(engine.at_limit(at(40s), {}));
}

TEST_CASE("engine reports: the limit on waiting requests holds until the next report or until the figure is stale") {
  Engine engine{{.stale_after = 10s, .max_waiting = 8}};
  CHECK(engine.limited());
  engine.says({.running = 500, .waiting = 7}, at(1s));
  CHECK_FALSE(engine.at_limit(at(1s), {.in_flight = 1000}));  // what was sent since may well run
  engine.says({.running = 500, .waiting = 8}, at(2s), {.in_flight = 500});
  CHECK(engine.at_limit(at(2s), {.in_flight = 0}));
  CHECK(engine.at_limit(at(12s), {}));
  CHECK_FALSE(engine.at_limit(at(12s + 1ns), {}));
  engine.says({.waiting = 7}, at(13s));
  CHECK_FALSE(engine.at_limit(at(13s), {}));
}

TEST_CASE("engine reports: the limit on KV usage counts own tokens as they are now") {
  Engine engine{{.stale_after = 10s, .max_kv_usage = 0.75}};
  CHECK(engine.limited());
  engine.says(kv(0.5, 1024), at(1s), {.kv_tokens = 256});
  CHECK_FALSE(engine.at_limit(at(1s), {.kv_tokens = 511}));
  CHECK(engine.at_limit(at(1s), {.kv_tokens = 512}));
  CHECK_FALSE(engine.at_limit(at(11s + 1ns), {.kv_tokens = 512}));
  CHECK_FALSE(engine.at_limit(at(11s + 1ns), {.kv_tokens = 1024}));  // how large the cache is, is not known either
  engine.says(kv(0.75, 1024), at(20s));
  CHECK(engine.at_limit(at(20s), {}));
}

TEST_CASE("engine reports: impossible options are refused, and the error names them") {
  CHECK_FALSE(EngineReports::Options{}.check());
  CHECK_FALSE(EngineReports::Options{.max_requests = 1, .max_waiting = 1, .max_kv_usage = 1}.check());
  CHECK(EngineReports::Options{.stale_after = 0s}.check()->text() == "a report must count for longer than zero: 0 ns");
  CHECK(EngineReports::Options{.max_requests = 0}.check()->rule == Rule::report_limits_in_range);
  CHECK(EngineReports::Options{.max_waiting = 0}.check()->rule == Rule::report_limits_in_range);
  for (const double usage : {0.0, -0.5, 1.01, std::nan("")})
    CHECK(EngineReports::Options{.max_kv_usage = usage}.check()->rule == Rule::report_limits_in_range);
  CHECK(EngineReports::Options{.max_kv_usage = 95}.check()->text() ==
        "a limit on reported requests must be at least 1, and one on KV usage above 0 and at most 1; leave it out for "
        "no limit: 95");
}

TEST_CASE("engine reports: threads read while another reports, and see a whole report or none") {
  Engine engine;
  std::thread reporter{[&] {
    for (std::uint32_t i = 0; i < 40'000; ++i) engine.says({.running = 3, .waiting = 4}, at(0s));
  }};
  int wrong = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Estimate running = engine.running_of_others(at(0s));
    const Estimate queue = engine.queue_beyond_own(at(0s), 0);
    wrong += running == unknown || running == Estimate{3, 1} ? 0 : 1;
    wrong += queue == unknown || queue == Estimate{4, 1} ? 0 : 1;
  }
  reporter.join();
  CHECK(wrong == 0);
}

TEST_CASE("engine reports: a reported share of the KV cache that equals the limit has reached it, for any size") {
  for (const double limit : {0.3, 0.9, 0.95, 1.0}) {
    const Engine::Options options{.max_kv_usage = limit};
    int missed = 0;
    for (std::uint64_t tokens = 1; tokens < 5000; ++tokens) {
      Engine engine(options);
      engine.says(kv(limit, tokens), at(0s));
      missed += engine.at_limit(at(1s), {}) ? 0 : 1;
      engine.says(kv(limit - 0.001, tokens), at(0s));
      missed += engine.at_limit(at(1s), {}) ? 1 : 0;
    }
    CHECK(missed == 0);
  }
}
