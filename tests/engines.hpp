// SPDX-License-Identifier: Apache-2.0
// An endpoint type for tests, which has only an id, and lists of such endpoints.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

struct Engine {
  std::string id;
};
using Engines = std::vector<Engine>;

/// `count` endpoints with the ids `prefix`0, `prefix`1, ...
inline Engines engines(const std::string& prefix, std::size_t count) {
  Engines list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({prefix + std::to_string(i)});
  return list;
}
