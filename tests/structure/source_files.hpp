// SPDX-License-Identifier: Apache-2.0
// Reads the files of the source tree, for tests about the tree itself.
#pragma once

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace structure {

namespace fs = std::filesystem;

inline const fs::path root{SOURCE_DIR};

/// The files below a folder of the tree that have one of these extensions, by their paths from the root, sorted.
[[nodiscard]] inline std::vector<std::string> files_below(const char* folder, const std::set<std::string>& extensions) {
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    if (extensions.contains(entry.path().extension().string()))
      found.insert(fs::relative(entry.path(), root).generic_string());
  }
  return {found.begin(), found.end()};
}

[[nodiscard]] inline std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(root / file);
  INFO(file);
  REQUIRE(in);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace structure
