// SPDX-License-Identifier: Apache-2.0
#include "completion_request.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace gateway {

namespace {

using Json = nlohmann::json;

/// Set by the gateways of one engine or another, and by nobody else. `request_id` is among them because connectors read
/// addresses out of it.
constexpr std::array reserved_fields{
    "kv_transfer_params", "disaggregated_params", "disagg_prefill_resp", "bootstrap_host",      "bootstrap_port",
    "bootstrap_room",     "transfer_id",          "data_parallel_rank",  "cache_hit_threshold", "request_id"};
/// In which the prefill leg's body differs from the client's.
constexpr std::array own_fields{"stream", "stream_options", "max_tokens", "max_completion_tokens", "min_tokens"};

/// More than any request means, and little enough to write it without running out of stack.
constexpr std::size_t deepest = 64;

bool too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

std::uint64_t tokens_of(std::string_view text) {
  return (text.size() + 3) / 4;
}

/// A prompt is a text, a list of texts, a list of tokens, or a list of such lists.
std::optional<std::uint64_t> tokens_of_prompt(const Json& prompt) {
  if (prompt.is_string()) return tokens_of(prompt.get_ref<const std::string&>());
  if (!prompt.is_array() || prompt.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const Json& part : prompt) {
    if (part.is_number_unsigned()) {
      ++sum;
    } else if (part.is_string()) {
      sum += tokens_of(part.get_ref<const std::string&>());
    } else if (part.is_array() &&
               std::all_of(part.begin(), part.end(), [](const Json& token) { return token.is_number_unsigned(); })) {
      sum += part.size();
    } else {
      return std::nullopt;
    }
  }
  return sum;
}

/// The text of all messages; a content may be a list of parts.
std::optional<std::uint64_t> tokens_of_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const Json& message : messages) {
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string()) return std::nullopt;
    const auto content = message.find("content");
    if (content == message.end() || content->is_null()) continue;
    if (content->is_string()) {
      sum += tokens_of(content->get_ref<const std::string&>());
    } else if (content->is_array()) {
      for (const Json& part : *content) {
        if (part.is_object() && part.contains("text") && part["text"].is_string())
          sum += tokens_of(part["text"].get_ref<const std::string&>());
      }
    } else {
      return std::nullopt;
    }
  }
  return sum;
}

RequestMistake mistake(std::string_view field, std::string_view rule) {
  return {.field = std::string(field), .message = fmt::format("'{}' {}", field, rule), .code = "invalid_value"};
}

/// What is wrong with the fields that the gateway reads; the engine checks the others.
std::optional<RequestMistake> check(const Json& fields, std::string_view model) {
  const auto model_field = fields.find("model");
  if (model_field == fields.end() || !model_field->is_string()) return mistake("model", "must be a text");
  if (const auto& name = model_field->get_ref<const std::string&>(); name != model)
    return RequestMistake{404, "model", fmt::format("the model '{}' is not served here", name), "model_not_found"};
  if (const auto stream = fields.find("stream"); stream != fields.end()) {
    if (!stream->is_boolean() && !stream->is_null()) return mistake("stream", "must be true or false");
  }
  if (const auto options = fields.find("stream_options"); options != fields.end()) {
    if (!options->is_object() && !options->is_null()) return mistake("stream_options", "must be an object");
  }
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    const auto most = fields.find(name);
    if (most == fields.end() || most->is_null()) continue;
    if (!most->is_number_unsigned() || *most == 0U) return mistake(name, "must be a whole number above zero");
  }
  return std::nullopt;
}

/// `{"a":1}` as `,"a":1`, to follow other fields.
std::string continued(const Json& fields) {
  if (fields.empty()) return {};
  std::string text = fields.dump();
  text.front() = ',';
  text.pop_back();
  return text;
}

}  // namespace

pdroute::Result<CompletionRequest, RequestMistake> CompletionRequest::read(CompletionKind kind, std::string_view text,
                                                                           std::string_view model) {
  if (too_deep(text)) return mistake("body", fmt::format("nests deeper than {}", deepest));
  Json fields;
  try {
    fields = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return mistake("body", fmt::format("is not JSON: an error at byte {}", error.byte));
  } catch (const Json::exception&) {
    return mistake("body", "has a number out of range");
  }
  if (!fields.is_object()) return mistake("body", "must be an object");
  if (auto wrong = check(fields, model)) return std::move(*wrong);
  const char* const prompt_field = kind == CompletionKind::text ? "prompt" : "messages";
  if (!fields.contains(prompt_field)) return mistake(prompt_field, "is missing");
  const Json& prompt = fields[prompt_field];
  const auto tokens = kind == CompletionKind::text ? tokens_of_prompt(prompt) : tokens_of_messages(prompt);
  if (!tokens) {
    return mistake(prompt_field, kind == CompletionKind::text ? "must be a text, tokens, or a list of these"
                                                              : "must be a list of objects with a role and a content");
  }

  CompletionRequest request;
  request.prompt_tokens_ = *tokens;
  for (const char* name : reserved_fields) fields.erase(name);
  Json own = Json::object();
  for (const char* name : own_fields) {
    if (const auto field = fields.find(name); field != fields.end()) {
      own[name] = std::move(*field);
      fields.erase(field);
    }
  }
  request.stream_ = own.contains("stream") && own["stream"] == true;
  request.common_ = fields.dump();
  request.common_.pop_back();  // the tail closes it
  request.own_fields_ = continued(own);
  request.prefill_tail_ = R"(,"stream":false,"max_tokens":1)";
  if (own.contains("max_completion_tokens")) request.prefill_tail_ += R"(,"max_completion_tokens":1)";
  request.prefill_tail_ +=
      R"(,"kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,)"
      R"("remote_block_ids":null,"remote_host":null,"remote_port":null}})";
  return request;
}

std::string CompletionRequest::decode_tail(std::string_view transfer) const {
  return fmt::format("{},\"kv_transfer_params\":{}}}", own_fields_, transfer);
}

std::optional<std::string> transfer_in(std::string_view reply) {
  if (too_deep(reply)) return std::nullopt;
  const Json fields = Json::parse(reply, nullptr, false);
  if (!fields.is_object()) return std::nullopt;
  const auto transfer = fields.find("kv_transfer_params");
  if (transfer == fields.end() || !transfer->is_object()) return std::nullopt;
  return transfer->dump();
}

bool is_json(std::string_view text) {
  return Json::accept(text);
}

}  // namespace gateway
