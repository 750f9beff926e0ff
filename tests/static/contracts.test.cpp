// SPDX-License-Identifier: Apache-2.0
// Sizes, triviality and noexcept that users and speed rely on.
#include <pdroute/pdroute.hpp>
#include <type_traits>

#include "engines.hpp"

namespace {

using namespace pdroute;

// A metric that nobody asked for is not stored: a slot without one ends where the endpoint begins.
static_assert(std::is_empty_v<NoLoad>);
static_assert(sizeof(Slot<Role::prefill, Engine, NoLoad>) == 128);  // one line that is written, one that is read
static_assert(sizeof(Slot<Role::prefill, Engine, RequestRate>) > sizeof(Slot<Role::prefill, Engine, NoLoad>));
static_assert(alignof(Slot<Role::prefill, Engine>) == 64);

// What a gateway keeps per request: two pointers.
using RandomRouter = DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, Engine>;
static_assert(sizeof(RandomRouter::Route) == 2 * sizeof(void*));
static_assert(std::is_nothrow_move_constructible_v<RandomRouter::Route>);
static_assert(std::is_nothrow_move_assignable_v<RandomRouter::Route>);
static_assert(std::is_nothrow_default_constructible_v<RandomRouter::Route>);
static_assert(!std::is_copy_constructible_v<RandomRouter::Route>);

static_assert(std::is_move_constructible_v<RandomRouter> && !std::is_copy_constructible_v<RandomRouter>);
static_assert(std::is_move_constructible_v<RandomRouter::Dispatcher> &&
              !std::is_copy_constructible_v<RandomRouter::Dispatcher>);

// Answers are plain values.
static_assert(std::is_trivially_copyable_v<NoEndpoint>);
static_assert(std::is_trivially_copyable_v<Request>);

// A policy that remembers nothing costs a context nothing.
struct Plain {};
static_assert(std::is_empty_v<detail::StateOf<Plain>>);
static_assert(sizeof(LocalContext<Plain>) == sizeof(SplitMix64) + sizeof(std::uint64_t));

static_assert(std::is_aggregate_v<RoundRobinPolicy<>> && std::is_aggregate_v<RandomPolicy<>> &&
              std::is_aggregate_v<QpsPolicy<>>);

}  // namespace
