// SPDX-License-Identifier: Apache-2.0
#include "protocol_rules.hpp"

namespace emulated {

namespace {

using Json = nlohmann::json;

constexpr const char* params_field = "kv_transfer_params";

const Json* find(const Json& fields, const char* name) {
  const auto found = fields.find(name);
  return found == fields.end() || found->is_null() ? nullptr : &*found;
}

/// The only parameters that a prefill may have, with their values.
const Json& prefill_params() {
  static const Json params{{"do_remote_decode", true},    {"do_remote_prefill", false}, {"remote_engine_id", nullptr},
                           {"remote_block_ids", nullptr}, {"remote_host", nullptr},     {"remote_port", nullptr}};
  return params;
}

std::optional<Violation> check_prefill(const Json& fields) {
  const Json* const params = find(fields, params_field);
  if (params == nullptr) return Violation{"prefill-params", "there are no kv_transfer_params"};
  if (*params != prefill_params()) return Violation{"prefill-params", params->dump()};
  if (const auto stream = fields.find("stream"); stream == fields.end() || *stream != false)
    return Violation{"prefill-stream", "stream must be false"};
  if (fields.contains("stream_options")) return Violation{"prefill-stream", "stream_options must not be there"};
  if (const auto most = fields.find("max_tokens"); most == fields.end() || *most != 1)
    return Violation{"prefill-max-tokens", "max_tokens must be 1"};
  if (const auto most = fields.find("max_completion_tokens"); most != fields.end() && *most != 1)
    return Violation{"prefill-max-tokens", "max_completion_tokens must be 1 where it is used"};
  if (fields.contains("min_tokens")) return Violation{"prefill-max-tokens", "min_tokens must not be there"};
  return std::nullopt;
}

std::optional<Violation> check_decode(const Json& fields) {
  const Json* const params = find(fields, params_field);
  if (params == nullptr) return Violation{"decode-without-prefill", "there are no kv_transfer_params"};
  const auto is = [&](const char* name, Json::value_t type) {
    const Json* const found = find(*params, name);
    return found != nullptr && found->type() == type;
  };
  const bool prefilled = params->is_object() && params->value("do_remote_prefill", Json()) == true &&
                         params->value("do_remote_decode", Json()) == false;
  if (!prefilled) return Violation{"decode-without-prefill", params->dump()};
  if (!is("remote_host", Json::value_t::string) || !is("remote_port", Json::value_t::number_unsigned) ||
      !is("transfer_id", Json::value_t::string))
    return Violation{"unknown-params", params->dump()};
  return std::nullopt;
}

}  // namespace

Leg leg_of(const CompletionRequest& request, EngineRole role) {
  if (role == EngineRole::prefill) return Leg::prefill;
  if (role == EngineRole::decode) return Leg::decode;
  const Json* const params = find(request.fields, params_field);
  if (params == nullptr) return Leg::whole;
  return params->is_object() && params->value("do_remote_decode", Json()) == true ? Leg::prefill : Leg::decode;
}

std::optional<Violation> check_request(const CompletionRequest& request, std::string_view request_id, Leg leg,
                                       EngineRole role) {
  if (leg == Leg::whole) return std::nullopt;
  if (request_id.empty()) return Violation{"missing-request-id", "there is no X-Request-Id"};
  if (role != EngineRole::both) {
    const Json* const params = find(request.fields, params_field);
    const char* const other = leg == Leg::prefill ? "do_remote_prefill" : "do_remote_decode";
    if (params != nullptr && params->is_object() && params->value(other, Json()) == true)
      return Violation{"wrong-role", std::string(other) + " is for the other role"};
  }
  return leg == Leg::prefill ? check_prefill(request.fields) : check_decode(request.fields);
}

std::optional<Violation> check_claim(const CompletionRequest& request, std::string_view request_id, unsigned status,
                                     const Json& issued) {
  const Json& params = request.fields[params_field];
  if (status == 404) return Violation{"unknown-params", params.dump()};
  if (status == 409) return Violation{"second-decode", params.dump()};
  if (status != 200) return std::nullopt;
  if (issued["params"] != params)
    return Violation{"changed-params", params.dump() + " is not " + issued["params"].dump()};
  if (issued["request_id"] != request_id)
    return Violation{"changed-request-id", std::string(request_id) + " is not " + issued["request_id"].dump()};
  if (issued["prompt_hash"] != request.prompt_hash())
    return Violation{"changed-prompt", "the prefill computed another prompt"};
  return std::nullopt;
}

}  // namespace emulated
