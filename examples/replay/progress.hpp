// SPDX-License-Identifier: Apache-2.0
// A progress bar on the terminal, and nothing anywhere else.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace replay {

/// Drawn on standard error, only if that is a terminal and the work takes longer than a moment; erased at the end.
class Progress {
 public:
  explicit Progress(std::string what);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { erase(); }

  /// Cheap enough to be called for every request.
  void show(std::size_t done, std::size_t all) {
    constexpr std::size_t between_looks = 256;  // at the clock
    if (terminal_ && done % between_looks == 0) draw(done, all);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void draw(std::size_t done, std::size_t all);
  void erase();

  std::string what_;
  bool terminal_;
  Clock::time_point drawn_ = Clock::now();
  bool visible_ = false;
};

}  // namespace replay
