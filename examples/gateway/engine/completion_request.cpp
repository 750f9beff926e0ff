// SPDX-License-Identifier: Apache-2.0
#include "completion_request.hpp"

#include <sstream>
#include <utility>

namespace emulated {

namespace {

using Json = nlohmann::json;

/// The number of tokens if the client sets no limit. It is OpenAI's default for /v1/completions.
constexpr std::size_t usual_tokens = 16;
constexpr std::size_t token_limit = 100000;

void add_words(const Json& part, std::vector<std::string>& words) {
  if (part.is_string()) {
    std::istringstream text(part.get_ref<const std::string&>());
    for (std::string word; text >> word;) words.push_back(word);
  } else if (part.is_number_integer()) {
    words.push_back(part.dump());
  } else if (part.is_array()) {
    for (const Json& each : part) add_words(each, words);
  } else if (part.is_object()) {  // a message, or one part of its content
    for (const char* name : {"content", "text"}) {
      if (const auto found = part.find(name); found != part.end()) add_words(*found, words);
    }
  }
}

bool flag(const Json& fields, const char* name) {
  const auto found = fields.find(name);
  return found != fields.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

pdroute::Result<CompletionRequest, std::string> CompletionRequest::read(CompletionKind kind, std::string_view body) {
  CompletionRequest request;
  request.kind = kind;
  request.fields = Json::parse(body, nullptr, false);
  const Json& fields = request.fields;
  if (!fields.is_object()) return std::string("the body is no JSON object");

  const auto prompt = fields.find(kind == CompletionKind::text ? "prompt" : "messages");
  if (prompt == fields.end()) return std::string("there is no prompt");
  add_words(*prompt, request.words);
  if (request.words.empty()) return std::string("the prompt is empty");

  request.max_tokens = usual_tokens;
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {  // the second one is newer, so it counts
    const auto found = fields.find(name);
    if (found == fields.end() || found->is_null()) continue;
    if (!found->is_number_unsigned() || *found == 0U || *found > token_limit)
      return std::string(name) + " must be a whole number from 1 to " + std::to_string(token_limit);
    request.max_tokens = found->get<std::size_t>();
  }
  if (const auto model = fields.find("model"); model != fields.end() && model->is_string())
    request.model = model->get<std::string>();
  request.stream = flag(fields, "stream");
  if (const auto options = fields.find("stream_options"); options != fields.end())
    request.include_usage = flag(*options, "include_usage");
  return request;
}

std::uint64_t CompletionRequest::prompt_hash() const {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::string& word : words) {
    for (const char c : word + ' ') hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return hash;
}

}  // namespace emulated
