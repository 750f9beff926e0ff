// SPDX-License-Identifier: Apache-2.0
// Shared memory of a model under the C++ memory model: the values that a load may read, and the accesses that race.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace model {

inline constexpr std::size_t threads = 3;
inline constexpr std::size_t setup = threads;  // the main thread: prepares an execution and checks its end

/// A vector clock: how far each thread had come when something happened.
using Clock = std::array<std::uint32_t, threads + 1>;

/// Raises `clock` to all that `other` knows.
inline void join(Clock& clock, const Clock& other) {
  for (std::size_t i = 0; i < clock.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

/// A moment of one thread.
struct Moment {
  std::size_t thread = setup;
  std::uint32_t time = 0;

  [[nodiscard]] bool before(const Clock& clock) const { return time <= clock[thread]; }
};

/// A thread's clock. Each access is a new moment.
struct Viewer {
  std::size_t thread = setup;
  Clock clock{};

  Moment next() { return {thread, ++clock[thread]}; }
};

inline bool acquires(std::memory_order order) {
  return order != std::memory_order_relaxed && order != std::memory_order_release;
}
inline bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

/// One atomic object with every value that it has had. A load may read an old value unless the viewer is ordered after
/// a newer one. The single order of sequentially consistent operations is not modelled: they count as acquire and
/// release.
class AtomicObject {
 public:
  AtomicObject(std::uint64_t value, Viewer& by) : values_{{value, {}}}, seen_{{by.next(), 0}} {}

  [[nodiscard]] std::uint64_t latest() const { return values_.back().value; }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  [[nodiscard]] std::uint64_t value(std::size_t index) const { return values_[index].value; }
  /// The oldest value that may still be read: the newest one that was seen before this clock.
  [[nodiscard]] std::size_t oldest(const Clock& clock) const {
    std::size_t index = 0;
    for (const Seen& seen : seen_) {
      if (seen.moment.before(clock)) index = std::max(index, seen.index);
    }
    return index;
  }
  /// Whether every access to it happened before this clock.
  [[nodiscard]] bool quiet(const Clock& clock) const {
    return std::all_of(seen_.begin(), seen_.end(), [&](const Seen& seen) { return seen.moment.before(clock); });
  }

  std::uint64_t load(std::size_t index, std::memory_order order, Viewer& by) {
    if (acquires(order)) join(by.clock, values_[index].released);
    seen_.push_back({by.next(), index});
    return values_[index].value;
  }
  void store(std::uint64_t value, std::memory_order order, Viewer& by) { add(value, order, by, {}); }
  /// A read-modify-write reads the latest value, and continues the release sequence that it belongs to.
  void update(std::uint64_t value, std::memory_order order, Viewer& by) {
    const Clock released = values_.back().released;
    if (acquires(order)) join(by.clock, released);
    add(value, order, by, released);
  }

 private:
  struct Value {
    std::uint64_t value;
    Clock released;  // what an acquire load that reads the value learns
  };
  struct Seen {
    Moment moment;
    std::size_t index;
  };

  void add(std::uint64_t value, std::memory_order order, Viewer& by, Clock released) {
    seen_.push_back({by.next(), values_.size()});
    if (releases(order)) join(released, by.clock);
    values_.push_back({value, released});
  }

  std::vector<Value> values_;  // in modification order
  std::vector<Seen> seen_;     // accesses, both reads and writes
};

/// One object that is not atomic. Two accesses must be ordered if one of them is a write.
class PlainObject {
 public:
  explicit PlainObject(Viewer& by) : written_(by.next()) {}

  /// Returns false if the access is a data race.
  [[nodiscard]] bool read(Viewer& by) {
    reads_.push_back(by.next());
    return written_.before(by.clock);
  }
  [[nodiscard]] bool write(Viewer& by) {
    const bool ordered =
        written_.before(by.clock) &&
        std::all_of(reads_.begin(), reads_.end(), [&](const Moment& read) { return read.before(by.clock); });
    written_ = by.next();
    return ordered;
  }

 private:
  Moment written_;
  std::vector<Moment> reads_;
};

}  // namespace model
