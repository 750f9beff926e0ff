// SPDX-License-Identifier: Apache-2.0
// Measures work and the floor in alternating batches, so that their ratio stays valid while the machine's speed
// changes.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "floor.hpp"
#include "statistics.hpp"

namespace bench {

inline constexpr std::size_t decisions_per_batch = 2000;  // much longer than a clock read, shorter than a time slice
inline constexpr int batches = 60;                        // per repetition

/// A barrier at which threads wait for each other to begin a batch together. It spins, because waking a thread takes as
/// long as a batch. Now and then it yields, in case the other threads have no processor.
class StartLine {
 public:
  explicit StartLine(int threads) : threads_(threads) {}

  void wait() {
    // Acquire and release: a thread that starts sees what all others did before they arrived.
    const int round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
    } else {
      for (unsigned spins = 1; round_.load(std::memory_order_acquire) == round; ++spins) {
        if (spins % 262144 == 0) std::this_thread::yield();
      }
    }
  }

 private:
  int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<int> round_{0};
};

/// Not inlined, so that a worker is an object in memory, as in a gateway, and the floor is always the same machine
/// code.
template <class Worker>
[[gnu::noinline]] void decide(Worker& worker) {
  worker(decisions_per_batch);
}

/// One benchmark for one number of threads. A `World` is made from a number of endpoints, and the threads share it.
/// `world.worker(thread)` makes the worker of a thread, and `worker(decisions)` makes this number of decisions.
template <class World>
class Comparison {
 public:
  explicit Comparison(int threads)
      : start_(threads),
        floor_times_(static_cast<std::size_t>(threads)),
        ours_times_(static_cast<std::size_t>(threads)) {}

  void run(benchmark::State& state) {
    const auto n = static_cast<std::size_t>(state.range(0));
    if (state.thread_index() == 0) {
      ours_.emplace(n);
      floor_.emplace(n);
    }
    start_.wait();
    measure(state);
    start_.wait();
    if (state.thread_index() == 0) {
      ours_.reset();
      floor_.reset();
    }
  }

 private:
  void measure(benchmark::State& state) {
    const auto thread = static_cast<std::size_t>(state.thread_index());
    auto ours = ours_->worker(state.thread_index());
    auto floor = floor_->worker(state.thread_index());
    decide(ours);  // warms up
    decide(floor);

    std::vector<double> ns;
    std::vector<double> ratios;
    std::uint64_t allocations = 0;
    std::uint64_t measured = 0;
    int repeats = 2 * batches;  // bounds the time that a busy machine costs
    int together = 0;
    for (auto _ : state) {
      double floor_ns = 0;
      double ours_ns = 0;
      bool valid = false;
      do {
        floor_ns = batch(floor, floor_times_[thread]);
        const std::uint64_t before = allocations_of_this_thread();
        ours_ns = batch(ours, ours_times_[thread]);
        allocations += allocations_of_this_thread() - before;
        ++measured;
        start_.wait();
        valid = overlap(floor_times_) && overlap(ours_times_);
      } while (!valid && repeats-- > 0);
      if (valid) {
        ++together;
      } else if (!ns.empty()) {
        continue;
      }
      ns.push_back(ours_ns);
      ratios.push_back(ours_ns / floor_ns);
      state.SetIterationTime(ours_ns * 1e-9);
    }

    using benchmark::Counter;
    const auto decisions = static_cast<double>(measured * decisions_per_batch);
    state.counters["n"] = Counter(static_cast<double>(state.range(0)), Counter::kAvgThreads);
    state.counters["ns"] = Counter(median(ns), Counter::kAvgThreads);
    state.counters["floor_ratio"] = Counter(median(ratios), Counter::kAvgThreads);
    state.counters["together"] = Counter(static_cast<double>(together) / batches, Counter::kAvgThreads);
    state.counters["allocations"] = Counter(static_cast<double>(allocations) / decisions, Counter::kAvgThreads);
  }

  using Clock = std::chrono::steady_clock;
  struct Times {
    Clock::time_point begin;
    Clock::time_point end;
  };

  /// Measures a batch. Returns the time of one decision of one thread in nanoseconds.
  template <class Worker>
  double batch(Worker& worker, Times& times) {
    start_.wait();
    const auto begin = Clock::now();
    decide(worker);
    const auto end = Clock::now();
    times = {begin, end};
    return std::chrono::duration<double, std::nano>(end - begin).count() / static_cast<double>(decisions_per_batch);
  }

  /// Whether all threads worked at once for most of a batch. On a busy machine some threads wait, and the others seem
  /// fast.
  [[nodiscard]] static bool overlap(const std::vector<Times>& threads) {
    Times common = threads.front();
    Times whole = common;
    for (const Times& times : threads) {
      common = {std::max(common.begin, times.begin), std::min(common.end, times.end)};
      whole = {std::min(whole.begin, times.begin), std::max(whole.end, times.end)};
    }
    return (common.end - common.begin) * 4 > (whole.end - whole.begin) * 3;
  }

  StartLine start_;
  std::vector<Times> floor_times_;  // by thread
  std::vector<Times> ours_times_;
  std::optional<World> ours_;
  std::optional<floor::World<floor::TwoChoices>> floor_;
};

/// Registers each benchmark for every number of endpoints and of threads.
class Suite {
 public:
  /// Registers only benchmarks that match `filter`, by name or by name and numbers, as in "select/qps/n:64/threads:1".
  explicit Suite(std::regex filter) : filter_(std::move(filter)) {}

  [[nodiscard]] bool empty() const { return empty_; }

  template <class World>
  void add(const std::string& name) {
    for (const int n : {2, 8, 64, 512}) {
      for (const int threads : {1, 2}) {
        const std::string full = name + "/n:" + std::to_string(n) + "/threads:" + std::to_string(threads);
        if (!std::regex_search(name, filter_) && !std::regex_search(full, filter_)) continue;
        benchmark::RegisterBenchmark(name.c_str(), [comparison = std::make_shared<Comparison<World>>(threads)](
                                                       benchmark::State& state) { comparison->run(state); })
            ->Arg(n)
            ->Threads(threads)
            ->Iterations(batches)
            ->UseManualTime();
        empty_ = false;
      }
    }
  }

 private:
  std::regex filter_;
  bool empty_ = true;
};

// The benchmarks, by file.
void add_pd_pairs(Suite& suite);
void add_selects(Suite& suite);

}  // namespace bench
