// SPDX-License-Identifier: Apache-2.0
// Reads whole numbers strictly, for traces and for the command line, with one error message for both.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace replay {

struct NotAWholeNumber : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// The number that `text` spells in decimal digits alone. Throws NotAWholeNumber for anything else: a sign, a fraction,
/// an empty text, or a number outside [least, max]. The message begins with "must be".
[[nodiscard]] std::uint64_t whole_number(std::string_view text, std::uint64_t least, std::uint64_t max);

/// `text` prepared for an error message: shortened, and without control characters.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace replay
