// SPDX-License-Identifier: Apache-2.0
// A progress bar for a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace replay {

/// Drawn on standard error if that is a terminal and the work takes longer than a moment. Erased at the end.
class Progress {
 public:
  explicit Progress(std::string what);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { erase(); }

  /// Cheap enough to call for every request.
  void show(std::size_t done, std::size_t all) {
    constexpr std::size_t between_clock_reads = 256;
    if (terminal_ && done % between_clock_reads == 0) draw(done, all);
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
