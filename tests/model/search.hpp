// SPDX-License-Identifier: Apache-2.0
// A depth-first search over all executions. Each execution starts from the beginning and repeats the choices made so
// far.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace model {

/// Sleep sets (Godefroid 1996): executions that differ only in the order of neighbouring steps on different objects are
/// tried once. When a thread's step has been tried, the thread sleeps until a step that it depends on. Every state is
/// still visited.
class Search {
 public:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  /// Chooses one of the threads in `runnable`, a set of bits. `depends(a, b)` says whether the next steps of two
  /// threads depend on each other. Returns `none` if no thread is runnable.
  template <class Depends>
  std::size_t choose_thread(unsigned runnable, Depends depends) {
    if (runnable == 0) return none;
    if (depth_ == path_.size() && !redundant_) {
      redundant_ = (runnable & ~asleep_) == 0;
      if (!redundant_) path_.push_back({lowest(runnable & ~asleep_), 0, runnable, asleep_});
    }
    if (redundant_) return lowest(runnable);  // a repetition: let it end
    const Choice& choice = path_[depth_++];
    asleep_ = 0;
    for (std::size_t other = 0; other < 8 * sizeof choice.asleep; ++other) {
      if ((choice.asleep >> other & 1U) != 0 && !depends(other, choice.taken)) asleep_ |= 1U << other;
    }
    return choice.taken;
  }

  /// Chooses a number below `options`.
  std::size_t choose_value(std::size_t options) {
    if (options == 1 || redundant_) return 0;
    if (depth_ == path_.size()) path_.push_back({0, options, 0, 0});
    return path_[depth_++].taken;
  }

  /// Goes to the next execution. Returns false if the last one was the end.
  [[nodiscard]] bool next() {
    if (!redundant_) ++executions_;
    redundant_ = false;
    depth_ = 0;
    asleep_ = 0;
    while (!path_.empty() && !advance(path_.back())) path_.pop_back();
    return !path_.empty();
  }
  /// The number of executions that were not repetitions of another.
  [[nodiscard]] std::uint64_t executions() const { return executions_; }

 private:
  struct Choice {
    std::size_t taken;
    std::size_t options;  // the number of values; zero if this is a choice of a thread
    unsigned runnable;
    unsigned asleep;
  };

  static std::size_t lowest(unsigned set) { return static_cast<std::size_t>(std::countr_zero(set)); }
  static bool advance(Choice& choice) {
    if (choice.options != 0) return ++choice.taken < choice.options;
    choice.asleep |= 1U << choice.taken;
    if ((choice.runnable & ~choice.asleep) == 0) return false;
    choice.taken = lowest(choice.runnable & ~choice.asleep);
    return true;
  }

  std::vector<Choice> path_;
  std::size_t depth_ = 0;
  unsigned asleep_ = 0;
  bool redundant_ = false;
  std::uint64_t executions_ = 0;
};

}  // namespace model
