// SPDX-License-Identifier: Apache-2.0
// Draws the progress bar on standard error.
#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>

namespace replay {

Progress::Progress(std::string what) : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::draw(std::size_t done, std::size_t all) {
  constexpr std::chrono::milliseconds between_drawings{100};
  const auto now = Clock::now();
  if (now - drawn_ < between_drawings) return;
  drawn_ = now;
  visible_ = true;
  constexpr std::size_t width = 30;
  const std::size_t filled = width * done / all;
  fmt::print(stderr, "\r{} [{:#<{}}{:.<{}}] {:>3} %", what_, "", filled, "", width - filled, 100 * done / all);
  std::fflush(stderr);
}

void Progress::erase() {
  if (!visible_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

}  // namespace replay
