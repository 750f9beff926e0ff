// SPDX-License-Identifier: Apache-2.0
// Reads whole numbers strictly.
#include "whole_number.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace replay {

std::uint64_t whole_number(std::string_view text, std::uint64_t least, std::uint64_t max) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value < least || value > max) {
    throw NotAWholeNumber(fmt::format("must be a whole number from {} to {}, but is {}", least, max, shown(text)));
  }
  return value;
}

std::string shown(std::string_view text) {
  if (text.empty()) return "empty";
  constexpr std::size_t longest = 40;  // enough to find the place; a line of a trace can have thousands of characters
  std::string result{text.substr(0, longest)};
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  if (text.size() > longest) result += "...";
  return result;
}

}  // namespace replay
