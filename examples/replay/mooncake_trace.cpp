// SPDX-License-Identifier: Apache-2.0
// Reads traces in the format that Mooncake publishes.
#include "mooncake_trace.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <pdroute/key.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "whole_number.hpp"

namespace replay {

namespace {

using nlohmann::json;

/// One line of the file. Its fields are read by name.
class Line {
 public:
  Line(const TraceBuilder& builder, std::size_t number, std::string_view text) : builder_(&builder), number_(number) {
    try {
      object_ = json::parse(text);
    } catch (const json::parse_error& error) {
      builder_->refuse(number_, "line", fmt::format("is not valid JSON at column {}", error.byte));
    } catch (const json::out_of_range&) {
      builder_->refuse(number_, "line", "holds a number that is too large");
    }
    if (!object_.is_object()) builder_->refuse(number_, "line", "must be a JSON object, but is " + shown(text));
  }

  [[nodiscard]] std::uint64_t tokens(const char* field) const {
    return builder_->tokens(number_, field, at(field).dump());
  }

  [[nodiscard]] std::chrono::milliseconds milliseconds(const char* field) const {
    constexpr std::uint64_t max = 9'000'000'000'000;  // the year 2255 if counted from 1970; fits as nanoseconds
    try {
      return std::chrono::milliseconds{whole_number(at(field).dump(), 0, max)};
    } catch (const NotAWholeNumber& problem) {
      builder_->refuse(number_, field, problem.what());
    }
  }

  /// The session of the request: the second block of the prompt. The first block is the system prompt, which nearly all
  /// requests share. A prompt of one block has no session.
  [[nodiscard]] std::optional<pdroute::Key> session(const char* field) const {
    const json& ids = at(field);
    if (!ids.is_array()) builder_->refuse(number_, field, "must be an array, but is " + shown(ids.dump()));
    for (const json& id : ids) {
      if (!id.is_number_unsigned()) {
        builder_->refuse(number_, field, "must hold whole numbers from 0, but holds " + shown(id.dump()));
      }
    }
    if (ids.size() < 2) return std::nullopt;
    return pdroute::key(ids[1].get<std::uint64_t>());
  }

 private:
  [[nodiscard]] const json& at(const char* field) const {
    const auto found = object_.find(field);
    if (found == object_.end()) builder_->refuse(number_, field, "is missing");
    return *found;
  }

  const TraceBuilder* builder_;
  std::size_t number_;
  json object_;
};

}  // namespace

Trace read_mooncake(const std::string& file, std::string_view text) {
  TraceBuilder builder{file};
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view content = text.substr(0, text.find('\n'));
    text.remove_prefix(content.size() == text.size() ? content.size() : content.size() + 1);
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;

    const Line line{builder, number, content};
    const auto moment = line.milliseconds("timestamp");
    const std::uint64_t prompt = line.tokens("input_length");
    const std::uint64_t output = line.tokens("output_length");
    builder.add(number, "timestamp", moment, prompt, output, line.session("hash_ids"));
  }
  return std::move(builder).finish();
}

}  // namespace replay
