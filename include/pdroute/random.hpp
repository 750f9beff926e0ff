// SPDX-License-Identifier: Apache-2.0
// Random numbers from the caller's seed: the generator SplitMix64, and `below`, an unbiased draw below a bound.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>

namespace pdroute {
inline namespace v0 {

/// A random bit generator that can be constructed from a seed and gives 32 or 64 uniform bits per draw, such as
/// `SplitMix64` or the standard's Mersenne twisters. Generators with other ranges are excluded, because they would make
/// a bounded draw biased or slow.
template <class G>
concept BitGenerator = std::constructible_from<G, typename G::result_type> && requires(G& generator) {
  { generator() } -> std::unsigned_integral;
  requires G::min() == 0;
  requires G::max() == std::numeric_limits<std::uint32_t>::max() ||
                   G::max() == std::numeric_limits<std::uint64_t>::max();
};

/// The generator SplitMix64: 64 random bits per draw. The same seed gives the same sequence on every platform.
/// Not cryptographic: do not use it for secrets.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
/// Thread safety: thread-compatible; use one generator per thread.
class SplitMix64 {
 public:
  using result_type = std::uint64_t;  ///< the type of a draw

  /// Starts the sequence of this seed. Any seed is valid.
  constexpr explicit SplitMix64(std::uint64_t seed) noexcept : state_(seed) { (*this)(); }

  /// The next 64 bits.
  constexpr result_type operator()() noexcept {
    // This draw was mixed during the one before, so that the caller does not wait for the multiplications.
    const result_type draw = next_;
    next_ = mix(state_ += 0x9e3779b97f4a7c15U);
    return draw;
  }

  /// The lowest draw.
  static constexpr result_type min() noexcept { return 0; }
  /// The highest draw.
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

/// The seed for generator number `stream` out of many that derive from one `seed`. The derived seeds are unrelated, so
/// the sequences do not overlap in practice.
[[nodiscard]] constexpr std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t stream) noexcept {
  return SplitMix64::mix(seed + SplitMix64::mix(stream + 1));
}

/// A uniform draw from [0, bound), exactly unbiased. Precondition: `bound` > 0.
/// Complexity: one multiplication; a division only for the fraction bound / 2^32 of draws where bias could arise.
/// Source: Lemire, "Fast random integer generation in an interval", 2019.
template <BitGenerator G>
[[nodiscard, gnu::always_inline]] inline constexpr std::uint32_t below(G& generator, std::uint32_t bound) noexcept(
    noexcept(generator())) {
  const auto product = [&] {
    constexpr unsigned spare = G::max() == std::numeric_limits<std::uint32_t>::max() ? 0 : 32;
    return (static_cast<std::uint64_t>(generator()) >> spare) * bound;  // uses the high bits, which are the better ones
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
