// SPDX-License-Identifier: Apache-2.0
// Tests of the scheduler itself: it finds every interleaving, and exactly the outcomes that C++ allows.
#include <set>
#include <utility>

#include "scheduled_atomic.hpp"

namespace {

using Number = model::ScheduledAtomic<std::uint32_t>;
using model::check;

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;

using Pair = std::pair<std::uint32_t, std::uint32_t>;
using Pairs = std::set<Pair>;

/// Explores one scenario and returns what its executions have put into `seen`.
template <class Scenario>
Pairs outcomes(std::string_view name) {
  model::explore<Scenario>(name, 1);
  return Scenario::seen;
}

struct OneNumber {
  static inline Pairs seen;
  Number number;

  void twice() {
    number.fetch_add(1, acq_rel);
    number.fetch_add(1, acq_rel);
  }
  void first() { twice(); }
  void second() { twice(); }
  void third() { twice(); }
  void finish() { seen.insert({number.load(acquire), 0}); }
};

struct ThreeNumbers {
  std::array<Number, 3> numbers;

  void twice(std::size_t i) {
    numbers[i].fetch_add(1, acq_rel);
    numbers[i].fetch_add(1, acq_rel);
  }
  void first() { twice(0); }
  void second() { twice(1); }
  void third() { twice(2); }
  void finish() {}
};

struct LostUpdate {
  static inline Pairs seen;
  Number number;

  void add() { number.store(number.load(acquire) + 1, release); }
  void first() { add(); }
  void second() { add(); }
  void third() {}
  void finish() { seen.insert({number.load(acquire), 0}); }
};

template <std::memory_order publish, std::memory_order read_order>
struct Message {
  static inline Pairs seen;
  Number text, flag;
  Pair read{9, 9};

  void first() {
    text.store(1, relaxed);
    flag.store(1, publish);
  }
  void second() {
    const std::uint32_t arrived = flag.load(read_order);
    read = {arrived, text.load(relaxed)};
  }
  void third() {}
  void finish() { seen.insert(read); }
};

/// A relaxed read-modify-write of the second thread stands between the release and the acquire.
struct ReleaseSequence {
  Number flag;
  model::Watched text;

  void first() {
    text.write();
    flag.store(1, release);
  }
  void second() { flag.fetch_add(10, relaxed); }
  void third() {
    if (flag.load(acquire) == 11) text.read();
  }
  void finish() {}
};

struct StoreBuffer {
  static inline Pairs seen;
  Number a, b;
  Pair read{9, 9};

  void first() {
    a.store(1, release);
    read.first = b.load(acquire);
  }
  void second() {
    b.store(1, release);
    read.second = a.load(acquire);
  }
  void third() {}
  void finish() { seen.insert(read); }
};

/// The second load of a thread never reads an older value than the first.
struct Coherence {
  static inline Pairs seen;
  Number number;
  Pair read{9, 9};

  void first() { number.store(1, relaxed); }
  void second() {
    read.first = number.load(relaxed);
    read.second = number.load(relaxed);
  }
  void third() {}
  void finish() { seen.insert(read); }
};

}  // namespace

int main() {
  check(model::explore<OneNumber>("two additions each", 1) == 90, "not 6! / (2! 2! 2!) interleavings");
  check(OneNumber::seen == Pairs{{6, 0}}, "an addition is lost");
  check(model::explore<ThreeNumbers>("nothing in common", 1) == 1,
        "orders of independent steps are tried more than once");
  check(outcomes<LostUpdate>("load and store") == Pairs{{1, 0}, {2, 0}}, "an update that can be lost is never lost");
  const Pairs stale{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  const Pairs fresh{{0, 0}, {0, 1}, {1, 1}};
  check(outcomes<Message<relaxed, acquire>>("message sent relaxed") == stale, "a message sent relaxed is ordered");
  check(outcomes<Message<release, relaxed>>("message read relaxed") == stale, "a message read relaxed is ordered");
  check(outcomes<Message<release, acquire>>("message") == fresh, "release and acquire do not order a message");
  model::explore<ReleaseSequence>("message through a relaxed addition", 1);
  check(outcomes<StoreBuffer>("store buffer") == stale, "release and acquire act like sequential consistency");
  check(outcomes<Coherence>("two loads") == fresh, "a thread's second load reads an older value than its first");
}
