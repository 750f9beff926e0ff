// SPDX-License-Identifier: Apache-2.0
// Draws a trace from published statistics.
#include "generated_trace.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <pdroute/key.hpp>
#include <pdroute/random.hpp>
#include <utility>
#include <vector>

#include "unit_draw.hpp"

namespace replay {

namespace {

struct Published {
  std::array<double, 5> value;  // minimum, median, 90th and 99th percentile, maximum
  double mean;
};

constexpr Published prompt_tokens{{891, 6'909, 27'367, 85'400, 126'195}, 12'035};
constexpr Published output_tokens{{1, 350, 597, 1'119, 2'000}, 343};

/// The inverse of a cumulative distribution through the published points. Between two points it bends as u^b. The same
/// b is used everywhere, and chosen to give the published mean; straight pieces would give a mean a quarter too high.
class Distribution {
 public:
  explicit Distribution(const Published& published) : value_(published.value) {
    double floor = 0;  // `floor`: the mean if every piece stayed at its lower end; `rise`: the rise of all pieces
    double rise = 0;
    for (std::size_t i = 0; i + 1 < place.size(); ++i) {
      floor += (place[i + 1] - place[i]) * value_[i];
      rise += (place[i + 1] - place[i]) * (value_[i + 1] - value_[i]);
    }
    bend_ = rise / (published.mean - floor) - 1;  // because u^b has the mean 1 / (b + 1)
  }

  /// Precondition: 0 <= u < 1.
  [[nodiscard]] std::uint64_t operator()(double u) const {
    std::size_t i = 0;
    while (u >= place[i + 1]) ++i;
    const double within = (u - place[i]) / (place[i + 1] - place[i]);
    return static_cast<std::uint64_t>(std::llround(value_[i] + (value_[i + 1] - value_[i]) * std::pow(within, bend_)));
  }

 private:
  static constexpr std::array<double, 5> place{0, 0.5, 0.9, 0.99, 1};
  std::array<double, 5> value_;
  double bend_;
};

/// Stratified draws: one from each n-th of the distribution, in random order.
std::vector<std::uint64_t> draw(const Distribution& distribution, std::size_t n, pdroute::SplitMix64& generator) {
  std::vector<std::size_t> layers(n);
  std::iota(layers.begin(), layers.end(), std::size_t{0});
  for (std::size_t i = n; i > 1; --i) {
    std::swap(layers[i - 1], layers[pdroute::below(generator, static_cast<std::uint32_t>(i))]);
  }
  std::vector<std::uint64_t> values;
  values.reserve(n);
  for (const std::size_t layer : layers) {
    values.push_back(distribution((static_cast<double>(layer) + unit_draw(generator)) / static_cast<double>(n)));
  }
  return values;
}

/// Each request draws its batch, so batches have random sizes.
std::vector<std::chrono::nanoseconds> draw_arrivals(std::size_t n, pdroute::SplitMix64& generator) {
  constexpr std::chrono::seconds between_batches{3};
  constexpr double in_a_batch = 3.4 * 3;
  const auto batches = static_cast<std::uint32_t>(std::ceil(static_cast<double>(n) / in_a_batch));
  std::vector<std::chrono::nanoseconds> arrivals;
  arrivals.reserve(n);
  for (std::size_t i = 0; i < n; ++i) arrivals.emplace_back(between_batches * pdroute::below(generator, batches));
  std::sort(arrivals.begin(), arrivals.end());
  return arrivals;
}

/// Each request begins a session or continues the session of an earlier request, drawn uniformly. So most sessions stay
/// short and a few grow long.
std::vector<pdroute::Key> draw_keys(std::size_t n, pdroute::SplitMix64& generator) {
  constexpr double new_sessions = 7'373.0 / 12'031;  // in Mooncake's trace, by the second block of the prompts
  std::vector<pdroute::Key> keys;
  keys.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const bool is_new = i == 0 || unit_draw(generator) < new_sessions;
    keys.push_back(is_new ? pdroute::key(i) : keys[pdroute::below(generator, static_cast<std::uint32_t>(i))]);
  }
  return keys;
}

}  // namespace

Trace generate_trace(std::size_t requests, std::uint64_t seed) {
  pdroute::SplitMix64 generator{seed};
  const auto arrivals = draw_arrivals(requests, generator);
  const auto prompts = draw(Distribution{prompt_tokens}, requests, generator);
  const auto outputs = draw(Distribution{output_tokens}, requests, generator);
  const auto keys = draw_keys(requests, generator);
  Trace trace;
  trace.reserve(requests);
  for (std::size_t i = 0; i < requests; ++i) {
    trace.push_back({arrivals[i] - arrivals[0], prompts[i], outputs[i], keys[i]});
  }
  return trace;
}

}  // namespace replay
