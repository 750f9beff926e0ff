// SPDX-License-Identifier: Apache-2.0
// Counts heap allocations: linking allocations.cpp replaces the global operator new.
#pragma once

#include <cstdint>

namespace bench {

/// The number of allocations of the calling thread so far.
[[nodiscard]] std::uint64_t allocations_of_this_thread() noexcept;

}  // namespace bench
