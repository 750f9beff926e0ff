// SPDX-License-Identifier: Apache-2.0
// vLLM's NIXL protocol, as far as a gateway can break it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "completion_request.hpp"

namespace emulated {

struct Violation {
  std::string rule;
  std::string detail;
};

enum class EngineRole { prefill, decode, both };
/// What is asked of an engine. `whole`: it computes the prompt and answers, which is for engines of both roles only.
enum class Leg { prefill, decode, whole };

[[nodiscard]] Leg leg_of(const CompletionRequest& request, EngineRole role);
/// What is wrong with a request, as far as an engine can tell alone.
[[nodiscard]] std::optional<Violation> check_request(const CompletionRequest& request, std::string_view request_id,
                                                     Leg leg, EngineRole role);

/// What is wrong with a decode, once the prefill engine has said what it knows: the status of its reply to the claim,
/// and what it had issued.
[[nodiscard]] std::optional<Violation> check_claim(const CompletionRequest& request, std::string_view request_id,
                                                   unsigned status, const nlohmann::json& issued);

}  // namespace emulated
