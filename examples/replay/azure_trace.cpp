// SPDX-License-Identifier: Apache-2.0
// Reads traces in the format that Azure publishes.
#include "azure_trace.hpp"

#include <csv.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "whole_number.hpp"

namespace replay {

namespace {

constexpr const char* time_column = "TIMESTAMP";
constexpr const char* prompt_column = "ContextTokens";
constexpr const char* output_column = "GeneratedTokens";
constexpr unsigned columns = 3;

// Spaces around a field are ignored, there are no quotes, and blank lines are skipped like comments.
using Reader = io::CSVReader<columns, io::trim_chars<' ', '\t'>, io::no_quote_escape<','>, io::throw_on_overflow,
                             io::empty_line_comment>;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Removes `n` digits from the front of `text` and returns their number.
std::optional<int> digits(std::string_view& text, std::size_t n) {
  if (text.size() < n) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, n)) {
    if (!is_digit(c)) return std::nullopt;
    value = 10 * value + (c - '0');
  }
  text.remove_prefix(n);
  return value;
}

/// Whether `text` begins with `c`; if so, removes it.
bool skip(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// The fraction after the whole seconds: nothing, or a point and up to nine digits.
std::optional<std::chrono::nanoseconds> fraction(std::string_view& text) {
  if (!skip(text, '.')) return std::chrono::nanoseconds{0};
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto n = static_cast<std::size_t>(end - text.begin());
  const std::optional<int> value = n <= 9 ? digits(text, n) : std::nullopt;
  if (n == 0 || !value) return std::nullopt;
  std::int64_t nanoseconds = *value;
  for (std::size_t i = n; i < 9; ++i) nanoseconds *= 10;
  return std::chrono::nanoseconds{nanoseconds};
}

void read_rows(Reader& reader, TraceBuilder& builder) {
  char* moment = nullptr;
  char* prompt = nullptr;
  char* output = nullptr;
  while (reader.read_row(moment, prompt, output)) {
    const std::size_t line = reader.get_file_line();
    const auto when = azure_moment(moment);
    if (!when) {
      builder.refuse(line, time_column, "must be like 2023-11-16 18:17:03.9799600, but is " + shown(moment));
    }
    const std::uint64_t prompt_tokens = builder.tokens(line, prompt_column, prompt);
    const std::uint64_t output_tokens = builder.tokens(line, output_column, output);
    builder.add(line, time_column, *when, prompt_tokens, output_tokens);
  }
}

}  // namespace

std::optional<std::chrono::nanoseconds> azure_moment(std::string_view text) {
  using namespace std::chrono;
  const auto year_number = digits(text, 4);
  if (!year_number || !skip(text, '-')) return std::nullopt;
  const auto month_number = digits(text, 2);
  if (!month_number || !skip(text, '-')) return std::nullopt;
  const auto day_number = digits(text, 2);
  if (!day_number || !skip(text, ' ')) return std::nullopt;
  const auto hour = digits(text, 2);
  if (!hour || *hour > 23 || !skip(text, ':')) return std::nullopt;
  const auto minute = digits(text, 2);
  if (!minute || *minute > 59 || !skip(text, ':')) return std::nullopt;
  const auto second = digits(text, 2);
  if (!second || *second > 59) return std::nullopt;
  const auto rest = fraction(text);
  if (!rest || !(text.empty() || text == "+00:00")) return std::nullopt;

  const year_month_day date{year{*year_number}, month{static_cast<unsigned>(*month_number)},
                            day{static_cast<unsigned>(*day_number)}};
  // Years that fit into 64-bit nanoseconds since 1970, with a margin.
  if (!date.ok() || *year_number < 1970 || *year_number > 2200) return std::nullopt;
  return sys_days{date}.time_since_epoch() + hours{*hour} + minutes{*minute} + seconds{*second} + *rest;
}

bool looks_like_azure(std::string_view first_line) {
  const auto has = [first_line](const char* column) { return first_line.find(column) != std::string_view::npos; };
  return has(time_column) || has(prompt_column) || has(output_column);
}

Trace read_azure(const std::string& file, std::string_view text) {
  // The reader reads one byte beyond the end to see whether the line ends there.
  std::string ended{text};
  if (!ended.ends_with('\n')) ended += '\n';

  TraceBuilder builder{file};
  Reader reader{file, ended.data(), ended.data() + ended.size()};
  try {
    reader.read_header(io::ignore_no_column, time_column, prompt_column, output_column);
    read_rows(reader, builder);
  } catch (const io::error::missing_column_in_header& error) {
    builder.refuse(reader.get_file_line(), error.column_name, "is missing in the header");
  } catch (const io::error::extra_column_in_header& error) {
    builder.refuse(reader.get_file_line(), shown(error.column_name), "is not a column of this format");
  } catch (const io::error::duplicated_column_in_header& error) {
    builder.refuse(reader.get_file_line(), error.column_name, "is in the header twice");
  } catch (const io::error::too_few_columns&) {
    builder.refuse(reader.get_file_line(), output_column, "is missing: the row has fewer than three columns");
  } catch (const io::error::too_many_columns&) {
    builder.refuse(reader.get_file_line(), output_column, "must be the last: the row has more than three columns");
  } catch (const io::error::base& error) {
    builder.refuse(reader.get_file_line(), "line", error.what());
  }
  return std::move(builder).finish();
}

}  // namespace replay
