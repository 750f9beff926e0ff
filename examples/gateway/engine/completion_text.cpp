// SPDX-License-Identifier: Apache-2.0
#include "completion_text.hpp"

#include <ctime>
#include <utility>

namespace emulated {

namespace {

using Json = nlohmann::json;

std::string as_event(const Json& object) {
  return "data: " + object.dump() + "\n\n";
}

}  // namespace

CompletionText::CompletionText(const CompletionRequest& request, std::string id)
    : request_(request), id_((request.kind == CompletionKind::text ? "cmpl-" : "chatcmpl-") + std::move(id)) {}

std::string CompletionText::whole(const Json& kv_transfer_params) const {
  std::string text;
  for (std::size_t i = 0; i < request_.max_tokens; ++i) text += token(i);
  Json choice{{"index", 0}, {"finish_reason", "length"}, {"logprobs", nullptr}};
  if (request_.kind == CompletionKind::text) {
    choice["text"] = std::move(text);
  } else {
    choice["message"] = {{"role", "assistant"}, {"content", std::move(text)}};
  }
  Json result = object(false);
  result["choices"] = Json::array({std::move(choice)});
  result["usage"] = usage();
  if (!kv_transfer_params.is_null()) result["kv_transfer_params"] = kv_transfer_params;
  return result.dump();
}

std::string CompletionText::event(std::size_t index) const {
  Json choice{{"index", 0}, {"finish_reason", nullptr}, {"logprobs", nullptr}};
  if (index + 1 == request_.max_tokens) choice["finish_reason"] = "length";
  if (request_.kind == CompletionKind::text) {
    choice["text"] = token(index);
  } else {
    choice["delta"] = {{"content", token(index)}};
    if (index == 0) choice["delta"]["role"] = "assistant";
  }
  Json result = object(true);
  result["choices"] = Json::array({std::move(choice)});
  return as_event(result);
}

std::string CompletionText::end() const {
  const std::string done = "data: [DONE]\n\n";
  if (!request_.include_usage) return done;
  Json result = object(true);
  result["choices"] = Json::array();
  result["usage"] = usage();
  return as_event(result) + done;
}

std::string CompletionText::token(std::size_t index) const {
  return (index == 0 ? "" : " ") + request_.words[index % request_.words.size()];
}

Json CompletionText::usage() const {
  const std::size_t prompt = request_.words.size();
  return {{"prompt_tokens", prompt},
          {"completion_tokens", request_.max_tokens},
          {"total_tokens", prompt + request_.max_tokens}};
}

Json CompletionText::object(bool part) const {
  const char* const name = request_.kind == CompletionKind::text ? "text_completion"
                           : part                                ? "chat.completion.chunk"
                                                                 : "chat.completion";
  return {{"id", id_}, {"object", name}, {"created", std::time(nullptr)}, {"model", request_.model}};
}

}  // namespace emulated
