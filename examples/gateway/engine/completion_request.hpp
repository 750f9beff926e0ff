// SPDX-License-Identifier: Apache-2.0
// The parts of a completion request's body that an engine reads.
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
  std::vector<std::string> words;  ///< of the prompt; a word is a token here
  std::size_t max_tokens = 0;
  bool stream = false;
  bool include_usage = false;

  /// Reads a body. The error is a text for the client.
  [[nodiscard]] static pdroute::Result<CompletionRequest, std::string> read(CompletionKind kind, std::string_view body);
  /// Equal prompts have the same hash in every process.
  [[nodiscard]] std::uint64_t prompt_hash() const;
};

}  // namespace emulated
