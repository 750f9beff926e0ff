// SPDX-License-Identifier: Apache-2.0
// A client's completion request: checks it, drops reserved fields, and writes the bodies for the engines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/result.hpp>
#include <string>
#include <string_view>

namespace gateway {

enum class CompletionKind : std::uint8_t { text, chat };  // /v1/completions, /v1/chat/completions

/// What is wrong with a client's request. The reply has status 400, or 404 for an unknown model.
struct RequestMistake {
  unsigned status = 400;
  std::string field;
  std::string message;
  std::string code;
};

/// The two legs share most fields. The shared fields are written once, as `common`; the body of a leg is `common` and
/// the leg's own tail.
///
/// Fields that only a gateway may set are dropped. Otherwise a client could send an engine to any address, or use the
/// cache of another request.
class CompletionRequest {
 public:
  /// Reads a request. `text` is its body, and `model` is the model that is served.
  [[nodiscard]] static pdroute::Result<CompletionRequest, RequestMistake> read(CompletionKind kind,
                                                                               std::string_view text,
                                                                               std::string_view model);

  [[nodiscard]] const std::string& common() const noexcept { return common_; }
  [[nodiscard]] const std::string& prefill_tail() const noexcept { return prefill_tail_; }
  /// The tail with the transfer parameters of the prefill's reply, unchanged.
  [[nodiscard]] std::string decode_tail(std::string_view transfer) const;
  [[nodiscard]] bool stream() const noexcept { return stream_; }
  /// An estimate, since the gateway has no tokenizer: four bytes of text count as a token. Tokens given as numbers are
  /// counted exactly.
  [[nodiscard]] std::uint64_t prompt_tokens() const noexcept { return prompt_tokens_; }

 private:
  CompletionRequest() = default;

  std::string common_;
  std::string prefill_tail_;
  std::string own_fields_;  // fields of the decode leg alone
  bool stream_ = false;
  std::uint64_t prompt_tokens_ = 0;
};

/// The transfer parameters in a prefill's reply as JSON text, or nothing if it has none.
[[nodiscard]] std::optional<std::string> transfer_in(std::string_view reply);
/// Whether an engine's reply is JSON.
[[nodiscard]] bool is_json(std::string_view text);

}  // namespace gateway
