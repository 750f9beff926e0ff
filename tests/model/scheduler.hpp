// SPDX-License-Identifier: Apache-2.0
// Runs three threads through every interleaving of their atomic operations.
//
// A scenario is a class; each execution makes a new object of it. Its constructor prepares. `first`, `second` and
// `third` are the threads. `after_each_step` (optional) checks every state in between, and `finish` checks the end. All
// that a scenario makes must be destroyed when the scenario is.
//
// Only one thread runs at a time, and it gives way at each operation of a `ScheduledAtomic`. So plain variables of a
// scenario need no protection, and they do not order anything.
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

/// Ends the program. Prints the rule that was broken, the scenario and the interleaving.
[[noreturn]] void fail(std::string_view rule);
inline void check(bool holds, std::string_view rule) {
  if (!holds) fail(rule);
}

/// The number of the calling thread's last step that changed an atomic. All threads share one count of steps.
std::size_t last_change();

// For ScheduledAtomic. An object is known by its address alone, so a destroyed object is never read.
using Change = std::function<std::uint64_t(std::uint64_t)>;
void atomic_begins(const void* object, std::uint64_t value);
void atomic_ends(const void* object);
std::uint64_t atomic_load(const void* object, std::memory_order order);
void atomic_store(const void* object, std::uint64_t value, std::memory_order order);
std::uint64_t atomic_update(const void* object, const Change& change, std::memory_order order);
/// Never fails spuriously. The weak form is called in a loop, so a spurious failure would only repeat the loop.
bool atomic_compare_exchange(const void* object, std::uint64_t& expected, std::uint64_t desired,
                             std::memory_order success, std::memory_order failure);

/// Stands for memory that is not atomic. Finds two accesses that race, a use after its destruction, and an object that
/// is destroyed twice or never.
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
/// The search through the executions of one scenario.
class Exploration {
 public:
  explicit Exploration(std::string_view scenario);
  void run(const Bodies& bodies, std::function<void()> after_each_step);
  /// Ends an execution. Returns false if it was the last.
  [[nodiscard]] bool next();
  [[nodiscard]] std::uint64_t executions() const;
};

/// Tries every interleaving and returns their number. Fails if there are fewer than `at_least`, so a search that ends
/// early is noticed.
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
