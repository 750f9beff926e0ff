// SPDX-License-Identifier: Apache-2.0
// AnyPolicy: holds one policy of a list, picked at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/policy/detail/explain_choice.hpp>
#include <pdroute/policy/detail/part_context.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <utility>
#include <variant>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// Calls `act` with `index` as a compile-time constant. Precondition: `index` < `count`, otherwise nothing is called.
template <std::size_t count, class Act>
[[gnu::always_inline]] inline void visit_index(std::size_t index, const Act& act) {
  [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
    static_cast<void>(((index == i && (act(std::integral_constant<std::size_t, i>{}), true)) || ...));
  }(std::make_index_sequence<count>{});
}

/// The alternative of a variant that is known to hold it. The unreachable branch is there because compilers warn of the
/// null pointer that `std::get_if` might return.
template <std::size_t i, class Variant>
[[nodiscard, gnu::always_inline]] inline auto& held(Variant& variant) noexcept {
  auto* const alternative = std::get_if<i>(&variant);
  if (alternative == nullptr) __builtin_unreachable();
  return *alternative;
}

}  // namespace detail

/// Holds one of `Policies` and chooses as that one does.
///
/// Guarantees. Choices and explanations are those of the held policy. Each metric is stored once per endpoint.
/// Endpoints carry what any of the policies reads, and a lease updates all of it. A metric that the held policy does
/// not read has the options of the default configuration of the first policy that reads it.
///
/// Use it when the configuration of a program names the policy: one router type then serves all names. Do not use it
/// when speed matters most; then use the policy's own type instead.
///
///     using Any = pdroute::AnyPolicy<pdroute::RoundRobinPolicy<>, pdroute::LeastTokensPolicy>;
///     const Any named =
///         name == "least-tokens" ? Any{pdroute::LeastTokensPolicy{}} : Any{pdroute::RoundRobinPolicy<>{}};
///
/// Complexity: that of the held policy, one comparison of the index per choice and alternative, and the updates of all
/// metrics.
/// Thread safety: that of its policies. The held policy must not be replaced once the router has been created.
template <class... Policies>
struct AnyPolicy {
  std::variant<Policies...> policy = {};  ///< the held policy; by default the first of the list

  /// Whether any of the policies knows sessions; see `EndpointSelector`.
  static constexpr bool reaches_bound_only = (detail::reaches_bound_only<Policies> || ...);
  /// The load metrics that any of the policies reads.
  using Load = detail::JoinedLoads<detail::LoadOf<Policies>...>;
  /// The options of the load metrics: those of the held policy first, then the defaults of the others.
  [[nodiscard]] typename Load::Options load_options() const {
    return std::visit([](const auto& held) { return detail::joined_options<Load>(held, Policies{}...); }, policy);
  }
  /// Says what is wrong with the held policy, if anything is.
  [[nodiscard]] std::optional<ConfigError> check() const {
    return std::visit([](const auto& held) { return detail::check_configuration(held); }, policy);
  }

  /// The state of the held policy.
  class State {
   public:
    /// One alternative per policy.
    using Parts = std::variant<detail::StateOf<Policies>...>;
    /// Takes the state of the held policy.
    explicit State(Parts parts) : parts_(std::move(parts)) {}

    /// The state of the i-th policy. Precondition: it is the held one.
    template <std::size_t i>
    [[nodiscard]] auto& part() noexcept {
      return detail::held<i>(parts_);
    }
    /// A position of the held policy's state.
    using Cursor = std::variant<decltype(detail::cursor_of(std::declval<const detail::StateOf<Policies>&>()))...>;
    /// The position to return to when the router takes a choice back.
    [[nodiscard]] Cursor cursor() const {
      Cursor cursor;
      detail::visit_index<sizeof...(Policies)>(parts_.index(), [&]<class Place>(Place /*place*/) {
        cursor.template emplace<Place::value>(detail::cursor_of(detail::held<Place::value>(parts_)));
      });
      return cursor;
    }
    /// Returns to a position. Precondition: it is a position of the held policy.
    void go_back(const Cursor& cursor) {
      detail::visit_index<sizeof...(Policies)>(parts_.index(), [&]<class Place>(Place /*place*/) {
        detail::go_back(part<Place::value>(), detail::held<Place::value>(cursor));
      });
    }
    /// Tells the held policy's state that its candidates have changed.
    void candidates_changed(const auto& before, const auto& now) {
      detail::visit_index<sizeof...(Policies)>(parts_.index(), [&]<class Place>(Place /*place*/) {
        detail::candidates_changed(part<Place::value>(), before, now);
      });
    }

   private:
    Parts parts_;
  };
  /// Makes the state of the held policy for one leg of one dispatcher.
  [[nodiscard]] State make_state(std::uint64_t stream) const {
    std::optional<State> state;
    detail::visit_index<sizeof...(Policies)>(policy.index(), [&]<class Place>(Place /*place*/) {
      state.emplace(typename State::Parts(std::in_place_index<Place::value>,
                                          detail::make_state(detail::held<Place::value>(policy), stream)));
    });
    return std::move(*state);
  }

  /// Chooses as the held policy does.
  [[nodiscard]] auto select(const CandidateRange auto& candidates, const auto& request, auto& context) const
      -> std::optional<std::size_t> {
    std::optional<std::size_t> chosen;
    detail::visit_index<sizeof...(Policies)>(policy.index(), [&]<class Place>(Place /*place*/) {
      chosen = select_by<Place::value>(candidates, request, context);
    });
    return chosen;
  }
  /// Explains as the held policy does.
  void explain(const auto& candidates, const auto& request, auto& context, auto& trace) const {
    detail::visit_index<sizeof...(Policies)>(policy.index(), [&]<class Place>(Place /*place*/) {
      detail::PartContext part(context, context.state().template part<Place::value>());
      detail::explain_choice(detail::held<Place::value>(policy), candidates, request, part, trace);
    });
  }

 private:
  template <std::size_t i>
  [[nodiscard]] std::optional<std::size_t> select_by(const auto& candidates, const auto& request, auto& context) const {
    detail::PartContext part(context, context.state().template part<i>());
    return detail::held<i>(policy).select(candidates, request, part);
  }
};
}  // namespace v0
}  // namespace pdroute
