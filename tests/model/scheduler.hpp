// SPDX-License-Identifier: Apache-2.0
// Runs three threads through every interleaving of their atomic operations.
//
// A scenario is a class that is made anew for each execution: its constructor prepares, `first`, `second` and `third`
// are the threads, `after_each_step` (optional) looks at every state in between, and `finish` at the end. What it makes
// must be gone when it is. Only one thread runs at a time, and it gives way at each operation of a `ScheduledAtomic`;
// so plain variables of a scenario need no protection, and take no part in what happens before what.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "memory.hpp"

namespace model {

/// Ends the program: says which rule was broken, in which scenario, and by which interleaving.
[[noreturn]] void fail(std::string_view rule);
inline void check(bool holds, std::string_view rule) {
  if (!holds) fail(rule);
}

/// The number of the present thread's last step; steps count through all threads.
std::size_t last_step();

// For ScheduledAtomic. Objects are told apart by their address alone, so that one that is gone is never touched.
using Change = std::function<std::uint64_t(std::uint64_t)>;
void atomic_begins(const void* object, std::uint64_t value);
void atomic_ends(const void* object);
std::uint64_t atomic_load(const void* object, std::memory_order order);
void atomic_store(const void* object, std::uint64_t value, std::memory_order order);
std::uint64_t atomic_update(const void* object, const Change& change, std::memory_order order);
/// Never fails spuriously: whoever calls the weak form does so in a loop, which would only go round once more.
bool atomic_compare_exchange(const void* object, std::uint64_t& expected, std::uint64_t desired,
                             std::memory_order success, std::memory_order failure);

/// Stands for memory that is not atomic: says when two accesses race, when it is used after its destruction, destroyed
/// twice or never.
class Watched {
 public:
  Watched() noexcept;
  Watched(const Watched& other) noexcept;
  Watched& operator=(const Watched&) = delete;
  ~Watched();

  void read() const noexcept;
  void write() noexcept;
};

using Bodies = std::array<std::function<void()>, threads>;
class Exploration {
 public:
  explicit Exploration(std::string_view scenario);
  void run(const Bodies& bodies, std::function<void()> after_each_step);
  /// Ends an execution. False: that was the last.
  [[nodiscard]] bool next();
  [[nodiscard]] std::uint64_t executions() const;
};

/// Tries every interleaving. `at_least` so many must have been found, so that no search ends early unnoticed.
/// Returns how many they were.
template <class Scenario>
std::uint64_t explore(std::string_view name, std::uint64_t at_least) {
  Exploration exploration(name);
  do {
    Scenario scenario;
    std::function<void()> after_each_step;
    if constexpr (requires { scenario.after_each_step(); }) after_each_step = [&] { scenario.after_each_step(); };
    exploration.run({[&] { scenario.first(); }, [&] { scenario.second(); }, [&] { scenario.third(); }},
                    std::move(after_each_step));
    scenario.finish();
  } while (exploration.next());
  check(exploration.executions() >= at_least, "the search ended early");
  return exploration.executions();
}

}  // namespace model
