// SPDX-License-Identifier: Apache-2.0
#include "transfers.hpp"

#include <fmt/format.h>

#include <charconv>
#include <system_error>
#include <utility>

namespace emulated {

namespace {

/// Longer than a gateway takes from one leg to the next. vLLM waits for eight minutes, which is too long for a test.
constexpr std::chrono::seconds lifetime{60};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

}  // namespace

nlohmann::json Transfers::issue(std::string request_id, std::uint64_t prompt_hash, std::size_t blocks) {
  expire();
  const std::uint64_t number = next_++;
  auto block_ids = nlohmann::json::array();
  for (std::size_t i = 0; i < blocks; ++i) block_ids.push_back(i);
  nlohmann::json params{{"do_remote_prefill", true},
                        {"do_remote_decode", false},
                        {"remote_engine_id", engine_},
                        {"remote_block_ids", std::move(block_ids)},
                        {"remote_host", host_},
                        {"remote_port", port_},
                        {"transfer_id", fmt::format("{}/{}", engine_, number)}};
  kept_.emplace_hint(kept_.end(), number,
                     Kept{{params, std::move(request_id), prompt_hash}, blocks, Clock::now() + lifetime});
  blocks_ += blocks;
  return params;
}

Transfers::Claim Transfers::claim(std::string_view transfer_id) {
  expire();
  const std::string ours = engine_ + '/';
  const auto number = transfer_id.starts_with(ours) ? number_of(transfer_id.substr(ours.size())) : std::nullopt;
  if (!number || *number >= next_) return {.issued = {}, .refusal = Refusal::unknown};
  const auto found = kept_.find(*number);
  if (found == kept_.end())
    return {.issued = {}, .refusal = *number < expired_below_ ? Refusal::expired : Refusal::used};
  Claim claim{.issued = std::move(found->second.issued)};
  blocks_ -= found->second.blocks;
  kept_.erase(found);
  return claim;
}

void Transfers::expire() {
  const auto now = Clock::now();
  while (!kept_.empty() && kept_.begin()->second.until < now) {
    expired_below_ = kept_.begin()->first + 1;
    blocks_ -= kept_.begin()->second.blocks;
    kept_.erase(kept_.begin());
  }
}

}  // namespace emulated
