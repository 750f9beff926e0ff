// SPDX-License-Identifier: Apache-2.0
// A client's request for a completion: checked, cleaned, and written anew for the engines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/result.hpp>
#include <string>
#include <string_view>

namespace gateway {

enum class CompletionKind : std::uint8_t { text, chat };  // /v1/completions, /v1/chat/completions

/// What is wrong with a client's request, for an error of status 400, or 404 for an unknown model.
struct RequestMistake {
  unsigned status = 400;
  std::string field;
  std::string message;
  std::string code;
};

/// Both legs get the same fields but for a few. Those they share are written once, as `common`; each leg's body is
/// `common` and a tail of its own.
///
/// Fields that only a gateway may set are dropped: a client must not send an engine to an address of its choice, nor
/// use another request's cache.
class CompletionRequest {
 public:
  /// `text` is the body; `model` the one that is served.
  [[nodiscard]] static pdroute::Result<CompletionRequest, RequestMistake> read(CompletionKind kind,
                                                                               std::string_view text,
                                                                               std::string_view model);

  [[nodiscard]] const std::string& common() const noexcept { return common_; }
  [[nodiscard]] const std::string& prefill_tail() const noexcept { return prefill_tail_; }
  /// With the transfer parameters of the prefill's reply, as they came.
  [[nodiscard]] std::string decode_tail(std::string_view transfer) const;
  [[nodiscard]] bool stream() const noexcept { return stream_; }
  /// An estimate, for the gateway has no tokenizer: four bytes of text are a token; tokens given as numbers are
  /// counted.
  [[nodiscard]] std::uint64_t prompt_tokens() const noexcept { return prompt_tokens_; }

 private:
  CompletionRequest() = default;

  std::string common_;
  std::string prefill_tail_;
  std::string own_fields_;  // of the decode leg
  bool stream_ = false;
  std::uint64_t prompt_tokens_ = 0;
};

/// The transfer parameters in a prefill's reply, as JSON text; nothing if it has none.
[[nodiscard]] std::optional<std::string> transfer_in(std::string_view reply);
/// Whether an engine's reply is JSON.
[[nodiscard]] bool is_json(std::string_view text);

}  // namespace gateway
