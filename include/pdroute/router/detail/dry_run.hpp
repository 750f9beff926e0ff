// SPDX-License-Identifier: Apache-2.0
// DryRun: one leg's choice without consequences. It chooses as `Leg` does, from copies, and keeps what it finds.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/detail/explain_choice.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/exceeded_limits.hpp>
#include <pdroute/router/detail/home.hpp>
#include <pdroute/router/detail/leg.hpp>
#include <pdroute/router/detail/leg_filter.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/detail/screening.hpp>
#include <pdroute/router/detail/trace.hpp>
#include <pdroute/router/detail/verdict.hpp>
#include <pdroute/router/explanation.hpp>
#include <pdroute/router/filter.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Takes the steps of `Leg::choose` and `Leg::choose_among` without reserving; tests over random worlds compare the
/// two. The leg and the view must outlive it.
template <Role role_of_leg, class Policy, class Endpoint, class CallersClock>
class DryRun {
 public:
  static constexpr Role role = role_of_leg;
  using Leg = detail::Leg<role, Policy, Endpoint, CallersClock>;
  using View = typename Leg::Pool::View;
  using Slot = typename Leg::Slot;
  using State = typename Leg::State;

  /// Stands in for `Leg::Choice`: the chosen slot, not reserved.
  struct Choice {
    const Slot* slot = nullptr;

    explicit operator bool() const noexcept { return slot != nullptr; }
    [[nodiscard]] const Endpoint& endpoint() const noexcept { return slot->endpoint(); }
  };

  static_assert(std::copy_constructible<State>,
                "pdroute: to explain a choice, the state that the policy's `make_state` makes must be copyable");

  DryRun(const Leg& leg, const View& view)
      : view_(&view), candidates_(detail::shown_to<Policy>(*view.snapshot)), policy_(leg.policy_), state_(leg.state_) {
    if (generation() != leg.generation()) detail::candidates_changed(state_, leg.candidates_, candidates_);
  }

  [[nodiscard]] const std::size_t& size() const noexcept { return candidates_.size(); }
  [[nodiscard]] bool empty() const noexcept { return detail::nothing_in<Policy>(candidates_); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return view_->snapshot->generation(); }

  /// Keeps what has been found so far, for `recall`.
  void remember() { remembered_ = evaluation_; }
  void recall() { evaluation_ = std::move(remembered_); }

  /// Asks the policy over all candidates and, if the chosen one is full, again over those with room.
  template <class Request, class Facts>
  [[nodiscard]] Choice choose(const Request& request, Facts& facts) {
    begin();
    asked_ = true;
    const std::optional<std::size_t> place = ask<Among::all>(request, facts);
    screen(request, LegFilter<Endpoint>{}, AnyEndpoint{}, facts);
    if (!place) return declined();
    if (evaluation_.ruled_out[*place] == nullptr) return chose(*place);
    return choose_among(request, facts, LegFilter<Endpoint>{}, AnyEndpoint{}, TakeFirst{});
  }

  /// Asks the policy over the candidates that pass the filter, are `compatible` and have room, until `judge` takes one.
  template <class Request, class Facts, class Compatible, class Judge>
  [[nodiscard]] Choice choose_among(const Request& request, Facts& facts, const LegFilter<Endpoint>& filter,
                                    const Compatible& compatible, const Judge& judge) {
    begin();
    asked_ = true;
    screen(request, filter, compatible, facts);
    for (;;) {
      while (!rest_.empty()) {
        const std::optional<std::size_t> place = ask<Among::remaining>(request, facts);
        if (!place) return declined();
        const Verdict verdict = judge(Choice{&candidates_[*place]});
        if (verdict == Verdict::take) return chose(*place);
        if (verdict == Verdict::give_up) return {};
        rule_out(*place, &NoEndpoint::incompatible);
      }
      if (held_back_.empty()) return {};
      for (const std::size_t place : held_back_) evaluation_.ruled_out[place] = nullptr;
      consider(std::exchange(held_back_, {}));
    }
  }

  /// Concludes that there is no choice here, because of this role or the other one. If the policy was not asked, finds
  /// out as far as possible what it would have said.
  template <class Request, class Facts>
  void conclude_refused(const NoEndpoint& reason, const Request& request, Facts& facts,
                        const LegFilter<Endpoint>& filter) {
    if (!asked_) {
      begin();
      screen(request, filter, AnyEndpoint{}, facts);
      if (!rest_.empty()) tell<Among::remaining>(request, facts);
    }
    evaluation_.chosen.reset();
    const std::string text = reason.text();
    evaluation_.why = reason.role == role ? "none" + text.substr(text.find(':'))
                                          : "none, because there is " + text.substr(0, text.find(':'));
  }

  // As `Leg` says.
  template <class Request>
  [[nodiscard]] std::optional<NoEndpoint> never(const Request& request, const LegFilter<Endpoint>& filter) const {
    return detail::never(view_->snapshot->left_out(), candidates_, request, filter);
  }
  template <class Request>
  [[nodiscard]] const std::vector<std::uint64_t>& groups(const Request& request, const LegFilter<Endpoint>& filter,
                                                         const GroupRef<Endpoint>& group, Reason despite) {
    detail::list_groups(groups_, candidates_, request, filter, group, despite);
    return groups_;
  }

  /// Why there is no endpoint.
  [[nodiscard]] NoEndpoint no_endpoint() const {
    NoEndpoint reason = view_->snapshot->left_out();
    if (!evaluation_.ruled_out.empty())  // which has counted anew those that take bound sessions only
      reason.bound_only -= static_cast<std::uint32_t>(candidates_.bound_only_size());
    for (const Reason each : evaluation_.ruled_out) {
      if (each != nullptr) ++(reason.*each);
    }
    return reason;
  }

  /// All members, with what has been found of those that are eligible.
  [[nodiscard]] ExplainedRole<Endpoint> explained() const {
    ExplainedRole<Endpoint> all{.role = role, .why = evaluation_.why, .endpoints = {}};
    all.endpoints.reserve(view_->members.size());
    std::size_t next = 0;         // place among the eligible
    std::size_t behind = size();  // place among those that take bound sessions only
    for (std::size_t i = 0; i < view_->members.size(); ++i) {
      const auto& status = view_->members[i];
      ExplainedEndpoint<Endpoint> one{
          .id = status.id, .incarnation = status.incarnation, .in_flight = status.in_flight};
      one.ruled_out = name_of(view_->ruled_out[i]);
      const bool shown = view_->ruled_out[i] == &NoEndpoint::bound_only && behind < candidates_.all();
      if (view_->ruled_out[i] == nullptr || shown) {
        const std::size_t place = shown ? behind++ : next++;
        one.ruled_out = name_of(evaluation_.ruled_out[place]);
        one.spared = name_of(status.fail_open                           ? &NoEndpoint::unhealthy
                             : status.ejection == EjectionPhase::spared ? &NoEndpoint::ejected
                                                                        : nullptr);
        one.chosen = place == evaluation_.chosen;
        one.costs = evaluation_.costs[place];
        for (const auto& [where, limit] : evaluation_.exceeded) {
          if (where == place) one.exceeded.push_back(limit);
        }
      }
      all.endpoints.push_back(std::move(one));
    }
    return all;
  }

 private:
  /// Nothing is known, and every candidate may be chosen.
  void begin() {
    const std::size_t n = candidates_.all();
    evaluation_ = {std::vector<Reason>(n, nullptr), std::vector<std::vector<NamedCost>>(n), {}, {}, {}};
    std::vector<std::size_t> all(n);
    std::iota(all.begin(), all.end(), std::size_t{0});
    consider(std::move(all));
  }
  void consider(std::vector<std::size_t> places) {
    places_ = std::move(places);
    rest_.clear();
    for (const std::size_t place : places_) rest_.push_back(candidates_.slot(place));
  }
  template <class Request, class Compatible, class Facts>
  void screen(const Request& request, const LegFilter<Endpoint>& filter, const Compatible& compatible, Facts& facts) {
    std::vector<std::size_t> places;
    held_back_.clear();
    auto context = context_of<Among::remaining>(facts, state_);
    const Slot* const home = detail::home_of(*policy_, candidates_, request, context);
    for (std::size_t place = 0; place < candidates_.all(); ++place) {
      const Slot& slot = candidates_[place];
      Reason reason = place >= size() && &slot != home
                          ? &NoEndpoint::bound_only
                          : detail::ruled_out_now(slot, request, filter, compatible, context);
      if (reason == nullptr) {
        reason = detail::held_back(slot);
        (reason == nullptr ? places : held_back_).push_back(place);
      }
      evaluation_.ruled_out[place] = reason;
      if (reason == &NoEndpoint::full || reason == &NoEndpoint::too_large) {
        for (const ExceededLimit& limit : detail::exceeded_limits(slot, request))
          evaluation_.exceeded.emplace_back(place, limit);
      }
    }
    consider(std::move(places));
  }
  void rule_out(std::size_t place, Reason reason) {
    evaluation_.ruled_out[place] = reason;
    places_.erase(std::find(places_.begin(), places_.end(), place));
    consider(std::move(places_));
  }
  [[nodiscard]] Choice chose(std::size_t place) {
    evaluation_.chosen = place;
    return {&candidates_[place]};
  }
  [[nodiscard]] Choice declined() {
    for (const std::size_t place : places_) evaluation_.ruled_out[place] = &NoEndpoint::declined;
    return {};
  }

  /// Asks the policy to explain its choice, and then to make it. Returns the place of the chosen one.
  template <Among among, class Request, class Facts>
  [[nodiscard]] std::optional<std::size_t> ask(const Request& request, Facts& facts) {
    tell<among>(request, facts);
    auto context = context_of<among>(facts, state_);
    const auto chosen = policy_->select(offered(), request, context);
    return chosen && *chosen < rest_.size() ? std::optional{places_[*chosen]} : std::nullopt;
  }
  /// Asks the policy to explain its choice, with copies of what that may change.
  template <Among among, class Request, class Facts>
  void tell(const Request& request, Facts& facts) {
    for (auto& costs : evaluation_.costs) costs.clear();
    SplitMix64 generator = *facts.generator;
    SplitMix64* const next_draws = std::exchange(facts.generator, &generator);
    State state = state_;
    auto context = context_of<among>(facts, state);
    Trace trace{evaluation_, places_};
    detail::explain_choice(*policy_, offered(), request, context, trace);
    facts.generator = next_draws;
    if (rest_.size() == 1 && offered().size() == 1) evaluation_.why = "the only one left";
  }
  template <Among among, class Clock>
  [[nodiscard]] auto context_of(CallFacts<Clock>& facts, State& state) const {
    RouteContext<among, Clock, State> context{facts, role, state};
    context.narrow(offered().size() < size());
    return context;
  }
  /// What the policy is asked over: those that may still be chosen, in the order of their places.
  [[nodiscard]] Candidates<Slot> offered() const noexcept {
    const auto open = std::lower_bound(places_.begin(), places_.end(), size()) - places_.begin();
    return {rest_.data(), static_cast<std::size_t>(open), rest_.size() - static_cast<std::size_t>(open)};
  }

  const View* view_;
  Candidates<Slot> candidates_;
  const Policy* policy_;
  State state_;
  Evaluation evaluation_;
  Evaluation remembered_;
  bool asked_ = false;
  std::vector<std::size_t> places_;     // of the candidates that may still be chosen
  std::vector<std::size_t> held_back_;  // of those that may be chosen if no other can
  std::vector<Slot*> rest_;             // the slots of the former
  std::vector<std::uint64_t> groups_;
};

template <Role role, class Policy, class Endpoint, class CallersClock>
DryRun(const Leg<role, Policy, Endpoint, CallersClock>&,
       const typename Leg<role, Policy, Endpoint, CallersClock>::Pool::View&)
    -> DryRun<role, Policy, Endpoint, CallersClock>;

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
