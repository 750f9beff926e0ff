// SPDX-License-Identifier: Apache-2.0
// Draws decisions from bytes. The bytes come from a fuzzer or from a seeded generator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pdroute/random.hpp>
#include <span>
#include <vector>

namespace fuzz {

/// Draws numbers from a list of bytes. After the last byte, every draw is zero and every `one_in` is false for n > 1.
class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  /// Precondition: 0 < bound <= 256.
  std::uint32_t below(std::uint32_t bound) {
    if (rest_.empty()) return 0;
    const std::uint32_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte % bound;
  }
  bool one_in(std::uint32_t n) { return below(n) == n - 1; }

 private:
  std::span<const std::uint8_t> rest_;
};

inline std::vector<std::uint8_t> random_bytes(std::uint64_t seed, std::size_t count) {
  pdroute::SplitMix64 random{seed};
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(random() >> 56U));
  return bytes;
}

}  // namespace fuzz
