// SPDX-License-Identifier: Apache-2.0
// Writes an engine's reply to a completion request.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "completion_request.hpp"

namespace emulated {

/// An answer repeats the words of its prompt, so that a client can check that it is its own.
class CompletionText {
 public:
  CompletionText(const CompletionRequest& request, std::string id);

  /// The whole answer. The answer of a prefill has transfer parameters for decode; otherwise they are null.
  [[nodiscard]] std::string whole(const nlohmann::json& kv_transfer_params) const;

  /// A stream is one event for each token, then `end`.
  [[nodiscard]] std::string event(std::size_t token) const;
  [[nodiscard]] std::string end() const;

 private:
  [[nodiscard]] std::string token(std::size_t index) const;
  [[nodiscard]] nlohmann::json usage() const;
  [[nodiscard]] nlohmann::json object(bool part) const;

  const CompletionRequest& request_;
  std::string id_;
};

}  // namespace emulated
