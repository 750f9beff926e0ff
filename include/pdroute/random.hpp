// SPDX-License-Identifier: Apache-2.0
// Randomness that the caller seeds: a small generator, and an unbiased draw below a bound.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>

namespace pdroute {
inline namespace v0 {

/// A generator whose every draw is 32 or 64 uniform bits, such as `SplitMix64` or the standard's Mersenne twisters,
/// and that can be constructed from a seed. Generators with other ranges would make a bounded draw biased or slow.
template <class G>
concept BitGenerator = std::constructible_from<G, typename G::result_type> && requires(G& generator) {
  { generator() } -> std::unsigned_integral;
  requires G::min() == 0;
  requires G::max() == std::numeric_limits<std::uint32_t>::max() ||
                   G::max() == std::numeric_limits<std::uint64_t>::max();
};

/// Sixty-four random bits a draw; same seed, same sequence, on every platform.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. Not for secrets.
class SplitMix64 {
 public:
  using result_type = std::uint64_t;

  constexpr explicit SplitMix64(std::uint64_t seed) noexcept : state_(seed) { (*this)(); }

  constexpr result_type operator()() noexcept {
    // Mixing ahead takes its latency out of the way of whoever waits for this draw.
    const result_type draw = next_;
    next_ = mix(state_ += 0x9e3779b97f4a7c15U);
    return draw;
  }

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return std::numeric_limits<std::uint64_t>::max(); }

  /// The generator's output function: a bijection on 64 bits in which every input bit reaches every output bit.
  static constexpr std::uint64_t mix(std::uint64_t bits) noexcept {
    bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
    return bits ^ (bits >> 31U);
  }

 private:
  std::uint64_t state_;
  std::uint64_t next_ = 0;
};

/// The seed of the `stream`-th of many generators that share one `seed`: different streams do not overlap in
/// practice, because their seeds are unrelated.
[[nodiscard]] constexpr std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t stream) noexcept {
  return SplitMix64::mix(seed + SplitMix64::mix(stream + 1));
}

/// A uniform draw from [0, bound), exactly unbiased. Precondition: `bound` > 0.
/// Source: Lemire, "Fast random integer generation in an interval", 2019: one multiplication, and a division only
/// when a draw falls into the fraction bound / 2^32 where bias could arise.
template <BitGenerator G>
[[nodiscard, gnu::always_inline]] inline constexpr std::uint32_t below(G& generator, std::uint32_t bound) noexcept(
    noexcept(generator())) {
  const auto product = [&] {
    constexpr unsigned spare = G::max() == std::numeric_limits<std::uint32_t>::max() ? 0 : 32;
    return (static_cast<std::uint64_t>(generator()) >> spare) * bound;  // the high bits are the better ones
  };
  std::uint64_t drawn = product();
  if (static_cast<std::uint32_t>(drawn) < bound) {
    const std::uint32_t biased = (0U - bound) % bound;
    while (static_cast<std::uint32_t>(drawn) < biased) drawn = product();
  }
  return static_cast<std::uint32_t>(drawn >> 32U);
}

}  // namespace v0
}  // namespace pdroute
