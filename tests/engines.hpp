// SPDX-License-Identifier: Apache-2.0
// Endpoints for tests: an id, and lists of them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

struct Engine {
  std::string id;
};
using Engines = std::vector<Engine>;

/// `prefix`0, `prefix`1, ...
inline Engines engines(const std::string& prefix, std::size_t count) {
  Engines list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({prefix + std::to_string(i)});
  return list;
}
