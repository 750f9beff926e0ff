// SPDX-License-Identifier: Apache-2.0
// What an engine reads in the body of a completion request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <pdroute/result.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace emulated {

enum class CompletionKind { text, chat };

struct CompletionRequest {
  CompletionKind kind{};
  nlohmann::json fields;
  std::string model;
  std::vector<std::string> words;  ///< of the prompt; one is one token here
  std::size_t max_tokens = 0;
  bool stream = false;
  bool include_usage = false;

  /// The error is the text for the client.
  [[nodiscard]] static pdroute::Result<CompletionRequest, std::string> read(CompletionKind kind, std::string_view body);
  /// The same in every process.
  [[nodiscard]] std::uint64_t prompt_hash() const;
};

}  // namespace emulated
