// SPDX-License-Identifier: Apache-2.0
#include "fault.hpp"

#include <algorithm>

namespace emulated {

std::optional<Fault> fault_named(std::string_view name) {
  const auto* const found =
      std::find_if(fault_names.begin(), fault_names.end(), [&](const auto& known) { return known.first == name; });
  if (found == fault_names.end()) return std::nullopt;
  return found->second;
}

}  // namespace emulated
