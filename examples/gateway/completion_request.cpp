// SPDX-License-Identifier: Apache-2.0
#include "completion_request.hpp"

#include <fmt/format.h>
#include <array>
#include <iterator>
#include <utility>

#include "json_reader.hpp"

namespace gateway {

namespace dom = simdjson::dom;

namespace {

/// Fields that only a gateway may set, for some engine. `request_id` is one of them because connectors read addresses
/// from it.
constexpr std::array reserved_fields{
    "kv_transfer_params", "disaggregated_params", "disagg_prefill_resp", "bootstrap_host",      "bootstrap_port",
    "bootstrap_room",     "transfer_id",          "data_parallel_rank",  "cache_hit_threshold", "request_id"};
/// The fields that differ between the prefill leg's body and the client's.
constexpr std::array own_fields{"stream", "stream_options", "max_tokens", "max_completion_tokens", "min_tokens"};

std::uint64_t tokens_of(std::string_view text) {
  return (text.size() + 3) / 4;
}

/// A prompt is a text, a list of texts, a list of tokens, or a list of such lists.
std::optional<std::uint64_t> tokens_of_prompt(dom::element prompt) {
  if (prompt.is_string()) return tokens_of(prompt);
  dom::array parts;
  if (prompt.get(parts) != simdjson::SUCCESS || parts.begin() == parts.end()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const dom::element part : parts) {
    if (part.is_uint64()) {
      ++sum;
    } else if (part.is_string()) {
      sum += tokens_of(part);
    } else if (part.is_array()) {
      for (const dom::element token : dom::array(part)) {
        if (!token.is_uint64()) return std::nullopt;
        ++sum;
      }
    } else {
      return std::nullopt;
    }
  }
  return sum;
}

/// The text of all messages. The content of a message may be a list of parts.
std::optional<std::uint64_t> tokens_of_messages(dom::element messages) {
  dom::array all;
  if (messages.get(all) != simdjson::SUCCESS || all.begin() == all.end()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const dom::element message : all) {
    if (!message.is_object()) return std::nullopt;
    const auto role = find(message, "role");
    if (!role || !role->is_string()) return std::nullopt;
    const auto content = find(message, "content");
    if (!content || content->is_null()) continue;
    if (content->is_string()) {
      sum += tokens_of(*content);
    } else if (content->is_array()) {
      for (const dom::element part : dom::array(*content)) {
        if (!part.is_object()) continue;
        if (const auto text = find(part, "text"); text && text->is_string()) sum += tokens_of(*text);
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

/// Finds what is wrong with the fields that the gateway reads. The engine checks the other fields.
std::optional<RequestMistake> check(dom::object fields, std::string_view model) {
  const auto named = find(fields, "model");
  if (!named || !named->is_string()) return mistake("model", "must be a text");
  if (const std::string_view name = *named; name != model)
    return RequestMistake{404, "model", fmt::format("the model '{}' is not served here", name), "model_not_found"};
  if (const auto stream = find(fields, "stream"); stream && !stream->is_bool() && !stream->is_null())
    return mistake("stream", "must be true or false");
  if (const auto options = find(fields, "stream_options"); options && !options->is_object() && !options->is_null())
    return mistake("stream_options", "must be an object");
  for (const std::string_view name : {"max_tokens", "max_completion_tokens"}) {
    const auto max = find(fields, name);
    if (max && !max->is_null() && !(max->is_uint64() && std::uint64_t{*max} > 0))
      return mistake(name, "must be a whole number above zero");
  }
  return std::nullopt;
}

}  // namespace

pdroute::Result<CompletionRequest, RequestMistake> CompletionRequest::read(CompletionKind kind, std::string_view text,
                                                                           std::string_view model) {
  JsonReader& reader = JsonReader::here();
  const auto body = reader.read(text);
  if (body.error() != simdjson::SUCCESS)
    return mistake("body", fmt::format("cannot be read: {}", simdjson::error_message(body.error())));
  if (!body.is_object()) return mistake("body", "must be an object");
  const dom::object object = body;
  if (auto wrong = check(object, model)) return std::move(*wrong);
  const std::string_view prompt_field = kind == CompletionKind::text ? "prompt" : "messages";
  const auto prompt = find(object, prompt_field);
  if (!prompt) return mistake(prompt_field, "is missing");
  const auto tokens = kind == CompletionKind::text ? tokens_of_prompt(*prompt) : tokens_of_messages(*prompt);
  if (!tokens) {
    return mistake(prompt_field, kind == CompletionKind::text ? "must be a text, tokens, or a list of these"
                                                              : "must be a list of objects with a role and a content");
  }

  CompletionRequest request;
  request.prompt_tokens_ = *tokens;
  Fields fields = reader.fields();
  if (const auto stream = fields.find("stream"); stream != fields.end())
    request.stream_ = stream->second.value == "true";
  request.prefill_tail_ = R"(,"stream":false,"max_tokens":1)";
  if (fields.contains("max_completion_tokens")) request.prefill_tail_ += R"(,"max_completion_tokens":1)";
  request.prefill_tail_ +=
      R"(,"kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,)"
      R"("remote_block_ids":null,"remote_host":null,"remote_port":null}})";
  for (const char* name : reserved_fields) fields.erase(name);
  for (const char* name : own_fields) {
    if (const auto own = fields.extract(name))
      fmt::format_to(std::back_inserter(request.own_fields_), ",{}", own.mapped().text);
  }
  request.common_.reserve(text.size());
  for (const auto& [name, field] : fields) {
    request.common_ += request.common_.empty() ? '{' : ',';  // the tail of each leg closes the object
    request.common_ += field.text;
  }
  return request;
}

std::string CompletionRequest::decode_tail(std::string_view transfer) const {
  return fmt::format("{},\"kv_transfer_params\":{}}}", own_fields_, transfer);
}

std::optional<std::string> transfer_in(std::string_view reply) {
  JsonReader& reader = JsonReader::here();
  if (!reader.read(reply).is_object()) return std::nullopt;
  const Fields fields = reader.fields();
  const auto transfer = fields.find("kv_transfer_params");
  if (transfer == fields.end() || !transfer->second.value.starts_with('{')) return std::nullopt;
  return std::string(transfer->second.value);
}

bool is_json(std::string_view text) {
  return JsonReader::here().read(text).error() == simdjson::SUCCESS;
}

}  // namespace gateway
