// SPDX-License-Identifier: Apache-2.0
// The computed prompts that a prefill engine keeps. A decode engine fetches each of them once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace emulated {

class Transfers {
 public:
  using Clock = std::chrono::steady_clock;

  /// `engine` must differ each time the engine is started, since a transfer does not outlive the engine.
  Transfers(std::string engine, std::string host, std::uint16_t port)
      : engine_(std::move(engine)), host_(std::move(host)), port_(port) {}

  /// A transfer as issued. The decode engine must present these parameters, with the same request id and prompt.
  struct Issued {
    nlohmann::json params;
    std::string request_id;
    std::uint64_t prompt_hash;
  };
  [[nodiscard]] nlohmann::json issue(std::string request_id, std::uint64_t prompt_hash, std::size_t blocks);

  enum class Refusal { unknown, used, expired };
  struct Claim {
    std::optional<Issued> issued;
    Refusal refusal{};  ///< set if there is no `issued`
  };
  [[nodiscard]] Claim claim(std::string_view transfer_id);

  [[nodiscard]] std::size_t unclaimed() const noexcept { return kept_.size(); }
  [[nodiscard]] std::size_t blocks() const noexcept { return blocks_; }

 private:
  struct Kept {
    Issued issued;
    std::size_t blocks;
    Clock::time_point until;
  };

  void expire();

  std::string engine_;
  std::string host_;
  std::uint16_t port_;
  std::uint64_t next_ = 0;
  std::uint64_t expired_below_ = 0;  // below this, used and expired transfers are no longer told apart
  std::map<std::uint64_t, Kept> kept_;
  std::size_t blocks_ = 0;
};

}  // namespace emulated
