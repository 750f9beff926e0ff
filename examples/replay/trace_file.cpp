// SPDX-License-Identifier: Apache-2.0
// Opens a trace file and recognises its format.
#include "trace_file.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "azure_trace.hpp"
#include "mooncake_trace.hpp"

namespace replay {

namespace {

struct CloseGzip {
  void operator()(gzFile file) const noexcept { gzclose_r(file); }
};
using OpenGzip = std::unique_ptr<gzFile_s, CloseGzip>;

[[noreturn]] void refuse_to_read(const std::string& path, std::string_view why) {
  throw TraceError(fmt::format("{}: cannot be read: {}", path, why));
}

std::string reason_of(int system_error) {
  return std::generic_category().message(system_error);
}

std::size_t line_of(const std::string& text, std::size_t position) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(position);
  return static_cast<std::size_t>(std::count(text.begin(), end, '\n')) + 1;
}

/// Reads the whole file. Decompresses it if it begins like a gzip file.
std::string contents(const std::string& path) {
  errno = 0;
  OpenGzip file{gzopen(path.c_str(), "rb")};
  if (!file) refuse_to_read(path, reason_of(errno));

  std::string text;
  std::array<char, std::size_t{1} << 16U> piece{};
  int got = 0;
  while ((got = gzread(file.get(), piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  int code = Z_OK;
  gzerror(file.get(), &code);
  if (got < 0 && code == Z_ERRNO) refuse_to_read(path, reason_of(errno));
  if (got < 0) refuse_to_read(path, "the compressed data are damaged");
  // For a file that is cut off, zlib returns the data it has. It reports the error only when the file is closed.
  if (gzclose_r(file.release()) != Z_OK) refuse_to_read(path, "the compressed data end too early");
  return text;
}

}  // namespace

Trace parse_trace(const std::string& name, std::string text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.erase(0, byte_order_mark.size());
  if (const auto nul = text.find('\0'); nul != std::string::npos) {
    throw TraceError(name, line_of(text, nul), "line", "holds a zero byte, so this is not text");
  }
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) throw TraceError(fmt::format("{}: holds no request", name));
  if (text[begin] == '{') return read_mooncake(name, text);

  const std::string_view first_line = std::string_view{text}.substr(begin, text.find('\n', begin) - begin);
  if (looks_like_azure(first_line)) return read_azure(name, text);
  throw TraceError(name, line_of(text, begin), "line",
                   "must be a JSON object with timestamp, input_length, output_length and hash_ids, or the header "
                   "TIMESTAMP,ContextTokens,GeneratedTokens");
}

Trace read_trace(const std::string& path) {
  return parse_trace(path, contents(path));
}

}  // namespace replay
