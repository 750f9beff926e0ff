// SPDX-License-Identifier: Apache-2.0
// A depth-first search over all executions, which starts each from the beginning and repeats the choices made so far.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace model {

/// Executions that differ only in the order of neighbouring steps that do not touch the same thing are tried once:
/// a thread sleeps once its step has been tried, until a step that it depends on (sleep sets, Godefroid 1996). Every
/// state is still visited.
class Search {
 public:
  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

  /// One of the threads in `runnable`, a set of bits. `depends(a, b)`: whether the next steps of two threads touch.
  template <class Depends>
  std::size_t choose_thread(unsigned runnable, Depends depends) {
    if (runnable == 0) return nobody;
    if (depth_ == path_.size() && !redundant_) {
      redundant_ = (runnable & ~asleep_) == 0;
      if (!redundant_) path_.push_back({lowest(runnable & ~asleep_), 0, runnable, asleep_});
    }
    if (redundant_) return lowest(runnable);  // let it end
    const Choice& choice = path_[depth_++];
    asleep_ = 0;
    for (std::size_t other = 0; other < 8 * sizeof choice.asleep; ++other) {
      if ((choice.asleep >> other & 1U) != 0 && !depends(other, choice.taken)) asleep_ |= 1U << other;
    }
    return choice.taken;
  }

  /// A number below `options`.
  std::size_t choose_value(std::size_t options) {
    if (options == 1 || redundant_) return 0;
    if (depth_ == path_.size()) path_.push_back({0, options, 0, 0});
    return path_[depth_++].taken;
  }

  /// Goes to the next execution. False: that was the last.
  [[nodiscard]] bool next() {
    if (!redundant_) ++executions_;
    redundant_ = false;
    depth_ = 0;
    asleep_ = 0;
    while (!path_.empty() && !advance(path_.back())) path_.pop_back();
    return !path_.empty();
  }
  /// Those that were not repetitions of another.
  [[nodiscard]] std::uint64_t executions() const { return executions_; }

 private:
  struct Choice {
    std::size_t taken;
    std::size_t options;  // of values; zero: a choice of a thread
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
