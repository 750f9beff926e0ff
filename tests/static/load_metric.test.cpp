// SPDX-License-Identifier: Apache-2.0
// The concepts of load metrics: archetypes that offer the minimum and no more, and what must not satisfy them.
#include <pdroute/load/load_metric.hpp>

#include <chrono>
#include <cstdint>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/load/token_count.hpp>
#include <string>
#include <type_traits>

namespace {

using namespace pdroute;

// --- archetypes: the minimum that each concept requires

struct Minimal {
  struct Options {};
  explicit Minimal(Options);
};
struct MinimalCounter {
  struct Options {};
  struct Receipt {};
  explicit MinimalCounter(Options);
  Receipt record(auto now);
  void undo(Receipt);
};
struct MinimalHolder {
  struct Options {};
  struct Held {};
  explicit MinimalHolder(Options);
  bool try_hold(const Demand&, Held&);
  bool has_room(const Demand&) const;
  void grow(Held&, std::uint64_t);
  void let_go(Held&);
  void set_capacity(const Capacity&);
};

struct MinimalTimer {
  struct Options {};
  struct Held {};
  explicit MinimalTimer(Options);
  void begin(Held&, auto now);
  void first_token(Held&, auto now);
  void complete(Held&, auto now);
};

static_assert(LoadMetric<Minimal> && !CountsChoices<Minimal> && !HoldsDemand<Minimal>);
struct MinimalIdentity {
  struct Options {};
  explicit MinimalIdentity(Options);
  void identify(std::uint64_t, std::uint32_t);
};

static_assert(LoadMetric<Minimal> && !CountsChoices<Minimal> && !HoldsDemand<Minimal> && !IdentifiesEndpoint<Minimal>);
static_assert(IdentifiesEndpoint<MinimalIdentity> && !CountsChoices<MinimalIdentity> && !HoldsDemand<MinimalIdentity>);
static_assert(CountsChoices<MinimalCounter> && !HoldsDemand<MinimalCounter>);
static_assert(HoldsDemand<MinimalHolder> && !CountsChoices<MinimalHolder> && !TimesLeases<MinimalHolder>);
static_assert(TimesLeases<MinimalTimer> && !CountsChoices<MinimalTimer> && !HoldsDemand<MinimalTimer>);
static_assert(!TimesLeases<Minimal> && !TimesLeases<MinimalCounter>);

// --- metrics of the library

static_assert(LoadMetric<NoLoad> && !CountsChoices<NoLoad> && !HoldsDemand<NoLoad>);
static_assert(CountsChoices<RequestRate> && !HoldsDemand<RequestRate>);
static_assert(HoldsDemand<Tokens> && !CountsChoices<Tokens>);
static_assert(HoldsDemand<KvTokens> && !CountsChoices<KvTokens>);
static_assert(CountsChoices<Loads<RequestRate, Tokens>> && HoldsDemand<Loads<RequestRate, Tokens>>);
static_assert(LoadMetric<Loads<Minimal, MinimalCounter, MinimalHolder>>);
static_assert(!TimesLeases<Loads<Minimal, MinimalHolder>> && TimesLeases<Loads<MinimalHolder, MinimalTimer>>);

// --- types that are no metrics

struct WithoutOptions {};
struct NotMadeFromOptions {
  struct Options {};
};
struct NeedsTwoThings {
  struct Options {};
  NeedsTwoThings(Options, int);
};
static_assert(!LoadMetric<int>);
static_assert(!LoadMetric<std::string>);
static_assert(!LoadMetric<WithoutOptions>);
static_assert(!LoadMetric<NotMadeFromOptions>);
static_assert(!LoadMetric<NeedsTwoThings>);
static_assert(!LoadMetric<Minimal&> && LoadMetric<Loads<>>);

// --- metrics that count no choices

struct WithoutReceipt : Minimal {
  using Minimal::Minimal;
  int record(auto now);
  void undo(int);
};
struct RecordsNothing : Minimal {
  using Minimal::Minimal;
  struct Receipt {};
  void record(auto now);
  void undo(Receipt);
};
struct WithoutUndo : Minimal {
  using Minimal::Minimal;
  struct Receipt {};
  Receipt record(auto now);
};
struct WantsTheTimeAsNumber : Minimal {
  using Minimal::Minimal;
  struct Receipt {};
  Receipt record(std::int64_t now);
  void undo(Receipt);
};
static_assert(!CountsChoices<WithoutReceipt>);
static_assert(!CountsChoices<RecordsNothing>);
static_assert(!CountsChoices<WithoutUndo>);
static_assert(!CountsChoices<WantsTheTimeAsNumber>);

// --- metrics that hold no demand

struct WithoutHeld : Minimal {
  using Minimal::Minimal;
  bool try_hold(const Demand&, int&);
  bool has_room(const Demand&) const;
  void grow(int&, std::uint64_t);
  void let_go(int&);
  void set_capacity(const Capacity&);
};
struct HoldsWithoutAnswer : MinimalHolder {
  using MinimalHolder::MinimalHolder;
  void try_hold(const Demand&, Held&);
};
struct RoomIsNotConst : MinimalHolder {
  using MinimalHolder::MinimalHolder;
  bool has_room(const Demand&);
};
struct CannotGrow : MinimalHolder {
  using MinimalHolder::MinimalHolder;
  void grow(Held&) = delete;
};
struct CannotLetGo : MinimalHolder {
  using MinimalHolder::MinimalHolder;
  void let_go(Held&) = delete;
};
struct WithoutLimits : MinimalHolder {
  using MinimalHolder::MinimalHolder;
  void set_capacity(const Capacity&) = delete;
};
static_assert(!HoldsDemand<WithoutHeld>);
static_assert(!HoldsDemand<HoldsWithoutAnswer>);
static_assert(!HoldsDemand<RoomIsNotConst>);
static_assert(!HoldsDemand<CannotGrow>);
static_assert(!HoldsDemand<CannotLetGo>);
static_assert(!HoldsDemand<WithoutLimits>);

// --- metrics that do not know their endpoint

struct WantsTheIdAsText : Minimal {
  using Minimal::Minimal;
  void identify(std::string, std::uint32_t);
};
struct WantsNoWeight : Minimal {
  using Minimal::Minimal;
  void identify(std::uint64_t);
};
static_assert(!IdentifiesEndpoint<WantsTheIdAsText>);
static_assert(!IdentifiesEndpoint<WantsNoWeight>);

// --- a metric without receipts or held amounts stores empty types for them

static_assert(std::is_same_v<detail::ReceiptOf<RequestRate>, RequestRate::Receipt>);
static_assert(std::is_same_v<detail::HeldOf<Tokens>, Tokens::Held>);
static_assert(std::is_empty_v<detail::ReceiptOf<Tokens>> && std::is_empty_v<detail::HeldOf<RequestRate>>);
static_assert(std::is_empty_v<detail::ReceiptOf<NoLoad>> && std::is_empty_v<detail::HeldOf<NoLoad>>);

}  // namespace
