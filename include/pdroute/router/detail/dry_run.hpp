// SPDX-License-Identifier: Apache-2.0
// One leg's choice without consequences: chooses as `Leg` does, from copies, reserves nothing and keeps what it finds.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/detail/explain_choice.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/random.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/leg.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/detail/trace.hpp>
#include <pdroute/router/explanation.hpp>
#include <pdroute/router/filter.hpp>
#include <string>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Takes the steps of `Leg::reserve` and `Leg::reserve_among`; tests over random worlds compare the two. The leg and
/// the picture must outlive it.
template <Role role_of_leg, class Policy, class Endpoint>
class DryRun {
 public:
  static constexpr Role role = role_of_leg;
  using Leg = detail::Leg<role, Policy, Endpoint>;
  using Picture = typename Leg::Pool::Picture;
  using Slot = typename Leg::Slot;
  using State = typename Leg::State;
  using Verdict = typename Leg::Verdict;
  static constexpr typename Leg::AnyEndpoint any_endpoint{};
  static_assert(std::copy_constructible<State>,
                "pdroute: to explain a choice, the state that the policy's `make_state` makes must be copyable");

  DryRun(const Leg& leg, const Picture& picture)
      : picture_(&picture), candidates_(picture.snapshot->candidates()), policy_(leg.policy_), state_(leg.state_) {
    begin();
  }

  [[nodiscard]] std::size_t size() const noexcept { return candidates_.size(); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return picture_->snapshot->generation(); }
  [[nodiscard]] static const Filter<Endpoint>& filter_of(const RouteFilter<Endpoint>& filter) noexcept {
    return role == Role::prefill ? filter.prefill : filter.decode;
  }

  [[nodiscard]] const Evaluation& evaluation() const noexcept { return evaluation_; }
  /// Goes back to what was found earlier.
  void recall(Evaluation&& earlier) { evaluation_ = std::move(earlier); }

  // The next two return whether there is somebody.

  /// As `Leg::reserve`: asks over all_candidates, and if that one is full, again over those with room.
  template <class Request, class Facts>
  [[nodiscard]] bool choose(const Request& request, Facts& facts, std::size_t first_size) {
    begin();
    asked_ = true;
    const std::optional<std::size_t> place = ask<Among::all>(request, facts, first_size);
    screen(request, Filter<Endpoint>{}, any_endpoint);
    if (!place) return declined();
    if (evaluation_.ruled_out[*place] == nullptr) return chose(*place);
    const auto take = [](const Endpoint& /*endpoint*/) { return Verdict::take; };
    return choose_among(request, facts, first_size, Filter<Endpoint>{}, any_endpoint, take);
  }

  /// As `Leg::reserve_among`; `judge` is shown the one chosen.
  template <class Request, class Facts, class Compatible, class Judge>
  [[nodiscard]] bool choose_among(const Request& request, Facts& facts, std::size_t first_size,
                                  const Filter<Endpoint>& filter, const Compatible& compatible, const Judge& judge) {
    begin();
    asked_ = true;
    screen(request, filter, compatible);
    while (!rest_.empty()) {
      const std::optional<std::size_t> place = ask<Among::remaining>(request, facts, first_size);
      if (!place) return declined();
      const Verdict verdict = judge(candidates_[*place].endpoint());
      if (verdict == Verdict::take) return chose(*place);
      if (verdict == Verdict::give_up) return false;
      rule_out(*place, &NoEndpoint::incompatible);
    }
    return false;
  }

  /// Concludes that nobody is chosen here, because of this role or the other one. What is not known because the leg was
  /// not asked, is found out as far as possible.
  template <class Request, class Facts>
  void nobody_because(const NoEndpoint& reason, const Request& request, Facts& facts, std::size_t first_size,
                      const Filter<Endpoint>& filter) {
    if (!asked_) {
      begin();
      screen(request, filter, any_endpoint);
      if (!rest_.empty()) tell<Among::remaining>(request, facts, first_size);
    }
    evaluation_.chosen.reset();
    const std::string text = reason.text();
    evaluation_.why = reason.role == role ? "nobody" + text.substr(text.find(':'))
                                          : "nobody, because there is " + text.substr(0, text.find(':'));
  }

  /// The reason why there is nobody.
  [[nodiscard]] NoEndpoint nobody() const {
    NoEndpoint reason = picture_->snapshot->left_out();
    for (const Reason each : evaluation_.ruled_out) {
      if (each != nullptr) ++(reason.*each);
    }
    return reason;
  }

  /// All members, with what has been found of those that are eligible.
  [[nodiscard]] ExplainedRole<Endpoint> explained() const {
    ExplainedRole<Endpoint> all{.role = role, .why = evaluation_.why, .endpoints = {}};
    std::size_t place = 0;
    for (const auto& [status, reason] : picture_->members) {
      ExplainedEndpoint<Endpoint> one{
          .id = status.id, .incarnation = status.incarnation, .in_flight = status.in_flight};
      one.ruled_out = name_of(reason);
      if (reason == nullptr) {
        one.ruled_out = name_of(evaluation_.ruled_out[place]);
        one.chosen = place == evaluation_.chosen;
        one.costs = evaluation_.costs[place];
        ++place;
      }
      all.endpoints.push_back(std::move(one));
    }
    return all;
  }

 private:
  /// Nothing is known, and everyone comes into question.
  void begin() {
    evaluation_ = {std::vector<Reason>(size(), nullptr), std::vector<std::vector<NamedCost>>(size()), {}, {}};
    std::vector<std::size_t> everyone(size());
    std::iota(everyone.begin(), everyone.end(), std::size_t{0});
    come_into_question(std::move(everyone));
  }
  void come_into_question(std::vector<std::size_t> places) {
    places_ = std::move(places);
    rest_.clear();
    for (const std::size_t place : places_) rest_.push_back(candidates_.slot(place));
  }
  template <class Request, class Compatible>
  void screen(const Request& request, const Filter<Endpoint>& filter, const Compatible& compatible) {
    std::vector<std::size_t> places;
    for (std::size_t place = 0; place < size(); ++place) {
      const Reason reason = Leg::ruled_out(candidates_[place], request, filter, compatible);
      evaluation_.ruled_out[place] = reason;
      if (reason == nullptr) places.push_back(place);
    }
    come_into_question(std::move(places));
  }
  void rule_out(std::size_t place, Reason reason) {
    evaluation_.ruled_out[place] = reason;
    places_.erase(std::find(places_.begin(), places_.end(), place));
    come_into_question(std::move(places_));
  }
  bool chose(std::size_t place) {
    evaluation_.chosen = place;
    return true;
  }
  bool declined() {
    for (const std::size_t place : places_) evaluation_.ruled_out[place] = &NoEndpoint::declined;
    return false;
  }

  /// Has the policy trace for its choice, and then make it. Returns the place of the one chosen.
  template <Among among, class Request, class Facts>
  [[nodiscard]] std::optional<std::size_t> ask(const Request& request, Facts& facts, std::size_t first_size) {
    tell<among>(request, facts, first_size);
    auto context = context_of<among>(facts, state_, first_size);
    const auto chosen = policy_->select(Candidates<Slot>{rest_.data(), rest_.size()}, request, context);
    return chosen && *chosen < rest_.size() ? std::optional{places_[*chosen]} : std::nullopt;
  }
  /// The policy's trace, from copies of what it may change.
  template <Among among, class Request, class Facts>
  void tell(const Request& request, Facts& facts, std::size_t first_size) {
    for (auto& costs : evaluation_.costs) costs.clear();
    SplitMix64 generator = *facts.generator;
    SplitMix64* const next_draws = std::exchange(facts.generator, &generator);
    State state = state_;
    auto context = context_of<among>(facts, state, first_size);
    Trace trace{evaluation_, places_};
    explain_choice(*policy_, Candidates<Slot>{rest_.data(), rest_.size()}, request, context, trace);
    facts.generator = next_draws;
    if (rest_.size() == 1) evaluation_.why = "the only one left";
  }
  template <Among among, class Clock>
  [[nodiscard]] auto context_of(CallFacts<Clock>& facts, State& state, std::size_t first_size) const {
    RouteContext<among, Clock, State> context{facts, role, state, first_size};
    context.narrow(rest_.size() < size());
    return context;
  }

  const Picture* picture_;
  Candidates<Slot> candidates_;
  const Policy* policy_;
  State state_;
  Evaluation evaluation_;
  bool asked_ = false;
  std::vector<std::size_t> places_;  // of those that still come into question
  std::vector<Slot*> rest_;          // the same as slots
};

template <Role role, class Policy, class Endpoint>
DryRun(const Leg<role, Policy, Endpoint>&, const typename Leg<role, Policy, Endpoint>::Pool::Picture&)
    -> DryRun<role, Policy, Endpoint>;

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
