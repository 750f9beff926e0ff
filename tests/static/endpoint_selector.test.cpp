// SPDX-License-Identifier: Apache-2.0
// The concept EndpointSelector: archetypes that offer the minimum and no more, and what must not satisfy it.
#include <pdroute/policy/endpoint_selector.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <vector>

#include "engines.hpp"

namespace {

using pdroute::EndpointSelector;
using pdroute::LocalContext;
using pdroute::Request;

// --- archetypes: the minimum that each concept requires

struct Opaque {};  // an element that offers nothing
struct MinimalCandidates {
  [[nodiscard]] static unsigned short size() { return 0; }
  const Opaque& operator[](std::size_t i) const;
};
struct CountedElement {
  [[nodiscard]] static unsigned in_flight() { return 0; }
};
struct MinimalContext {
  struct TimePoint {};
  static TimePoint now() { return {}; }
  static std::uint32_t below(std::uint32_t bound) { return bound - 1; }
};
struct MinimalPolicy {
  std::optional<std::size_t> select(const MinimalCandidates&, const Opaque&, MinimalContext&) const;
};

static_assert(pdroute::CandidateRange<MinimalCandidates>);
static_assert(pdroute::CandidateRange<std::vector<int>>);
static_assert(pdroute::CountedCandidates<std::vector<CountedElement>>);
static_assert(pdroute::ChoiceContext<MinimalContext>);
static_assert(EndpointSelector<MinimalPolicy, MinimalCandidates, Opaque, MinimalContext>);

static_assert(!pdroute::CandidateRange<int>);
static_assert(!pdroute::CandidateRange<Opaque>);
static_assert(!pdroute::CountedCandidates<MinimalCandidates>);
static_assert(!pdroute::ChoiceContext<Opaque>);

// --- policies

struct ShortestQueue {
  auto select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const -> std::optional<std::size_t> {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (!best || candidates[i].in_flight() < candidates[*best].in_flight()) best = i;
    }
    return best;
  }
};
struct StaticSelect {
  static std::optional<std::size_t> select(const auto&, const auto&, auto&) { return std::nullopt; }
};
struct NotConst {
  std::optional<std::size_t> select(const auto&, const auto&, auto&) { return 0; }
};
struct ReturnsInt {
  int select(const auto&, const auto&, auto&) const { return -1; }
};
struct ReturnsOptionalInt {
  std::optional<int> select(const auto&, const auto&, auto&) const { return -1; }
};
struct ReturnsPointer {
  const void* select(const auto&, const auto&, auto&) const { return nullptr; }
};
struct WithoutContext {
  std::optional<std::size_t> select(const auto&, const auto&) const { return 0; }
};
struct MisspeltSelect {
  std::optional<std::size_t> choose(const auto&, const auto&, auto&) const { return 0; }
};

template <class P, class Candidates = std::vector<CountedElement>, class Context = LocalContext<P>>
inline constexpr bool selects = EndpointSelector<P, Candidates, Request, Context>;

static_assert(selects<ShortestQueue>);
static_assert(selects<StaticSelect>);
static_assert(selects<StaticSelect, MinimalCandidates, MinimalContext>);
static_assert(selects<pdroute::RoundRobinPolicy<>>);
static_assert(selects<pdroute::RoundRobinPolicy<pdroute::Rotation::per_dispatcher>>);
static_assert(selects<pdroute::RandomPolicy<>>);
static_assert(
    selects<pdroute::QpsPolicy<>,
            pdroute::detail::Candidates<pdroute::detail::Slot<pdroute::Role::prefill, Engine, pdroute::RequestRate>>>);
static_assert(selects<pdroute::RandomPolicy<>, MinimalCandidates>);

static_assert(!selects<NotConst>);
static_assert(!selects<ReturnsInt>);
static_assert(!selects<ReturnsOptionalInt>);
static_assert(!selects<ReturnsPointer>);
static_assert(!selects<WithoutContext>);
static_assert(!selects<MisspeltSelect>);
static_assert(!selects<ShortestQueue, int>);
static_assert(!selects<pdroute::QpsPolicy<>>);                                            // candidates without arrivals
static_assert(!selects<pdroute::RoundRobinPolicy<>, MinimalCandidates, MinimalContext>);  // a context without turns

static_assert(pdroute::check_policy<ShortestQueue, std::vector<CountedElement>>());

}  // namespace
