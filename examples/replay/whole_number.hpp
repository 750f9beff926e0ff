// SPDX-License-Identifier: Apache-2.0
// Reads whole numbers strictly, for traces and the command line alike: one rule, one sentence when it is broken.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace replay {

struct NotAWholeNumber : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// The number that `text` spells in decimal digits alone. Throws NotAWholeNumber with a sentence that begins with
/// "must be", for anything else: a sign, a fraction, nothing, or a number outside [least, most].
[[nodiscard]] std::uint64_t whole_number(std::string_view text, std::uint64_t least, std::uint64_t most);

/// `text` fit for an error message: short, and without control characters.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace replay
