// SPDX-License-Identifier: Apache-2.0
// Counts allocations, to prove that choosing engines makes none.
#pragma once

#include <cstdint>

namespace gateway {

/// Calls of `operator new` by this thread so far. The program replaces the global operator to count them.
[[nodiscard]] std::uint64_t allocations_of_this_thread() noexcept;

}  // namespace gateway
