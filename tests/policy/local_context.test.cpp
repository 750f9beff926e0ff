// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/local_context.hpp>

#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <vector>

#include "catch2_compat.hpp"

namespace {

struct Stateless {};
struct WithState {
  struct State {
    std::uint64_t stream;
  };
  [[nodiscard]] State make_state(std::uint64_t stream) const { return {stream}; }
};

static_assert(pdroute::ChoiceContext<pdroute::LocalContext<Stateless>>);

}  // namespace

TEST_CASE("local context: gives the time, turns and the policy's state") {
  using namespace std::chrono_literals;
  pdroute::ManualClock clock;
  pdroute::LocalContext context{WithState{}, clock, 1, 5};
  clock.advance(2s);
  CHECK(context.now().time_since_epoch() == 2s);
  CHECK(context.turn() == 0);
  CHECK(context.turn() == 1);
  CHECK(context.first_size() == 0);
  CHECK(static_cast<std::uint32_t>(context.state().stream) == 5);  // the bits above follow from the seed
}

TEST_CASE("local context: equal seeds and streams draw equal numbers, others draw different ones") {
  const auto draws = [](std::uint64_t seed, std::uint64_t stream) {
    pdroute::LocalContext context{Stateless{}, pdroute::ManualClock{}, seed, stream};
    std::vector<std::uint32_t> drawn;
    for (int i = 0; i < 20; ++i) drawn.push_back(context.below(1000));
    return drawn;
  };
  CHECK(draws(1, 0) == draws(1, 0));
  CHECK(draws(1, 0) != draws(2, 0));
  CHECK(draws(1, 0) != draws(1, 1));
}
