// SPDX-License-Identifier: Apache-2.0
// The rules of vLLM's NIXL protocol that a gateway can break.
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
/// The work of a request. `whole` means that one engine computes the prompt and answers; only an engine of both roles
/// can do that.
enum class Leg { prefill, decode, whole };

[[nodiscard]] Leg leg_of(const CompletionRequest& request, EngineRole role);
/// The rule that a request breaks, as far as one engine can tell.
[[nodiscard]] std::optional<Violation> check_request(const CompletionRequest& request, std::string_view request_id,
                                                     Leg leg, EngineRole role);

/// The rule that a decode request breaks, after the prefill engine has answered the claim: with a status, and with the
/// transfer that it had issued.
[[nodiscard]] std::optional<Violation> check_claim(const CompletionRequest& request, std::string_view request_id,
                                                   unsigned status, const nlohmann::json& issued);

}  // namespace emulated
