// SPDX-License-Identifier: Apache-2.0
// AnyPolicy: a policy that is picked from a list at run time.
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

/// Calls `act(place)` with the place, as a constant, that equals `index`.
template <std::size_t count, class Act>
[[gnu::always_inline]] inline void visit_index(std::size_t index, const Act& act) {
  [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
    static_cast<void>(((index == i && (act(std::integral_constant<std::size_t, i>{}), true)) || ...));
  }(std::make_index_sequence<count>{});
}

/// The alternative that a variant is known to hold. (Compilers warn of the null that `std::get_if` might return.)
template <std::size_t i, class Variant>
[[nodiscard, gnu::always_inline]] inline auto& held(Variant& variant) noexcept {
  auto* const alternative = std::get_if<i>(&variant);
  if (alternative == nullptr) __builtin_unreachable();
  return *alternative;
}

}  // namespace detail

/// Chooses as the one of `Policies` that it holds: for programs whose configuration names the policy, so that they need
/// one router type and not one for each name.
///
///     using Any = pdroute::AnyPolicy<pdroute::RoundRobinPolicy<>, pdroute::LeastTokensPolicy>;
///     const Any named =
///         name == "least-tokens" ? Any{pdroute::LeastTokensPolicy{}} : Any{pdroute::RoundRobinPolicy<>{}};
///
/// Endpoints carry what any of the policies reads, so a lease updates it all; name a policy by its type where speed
/// matters most. A metric that only others read has the options of their default configuration.
///
/// Thread safety: as its policies. The held policy must not be replaced once the router has been created.
template <class... Policies>
struct AnyPolicy {
  std::variant<Policies...> policy = {};

  using Load = detail::JoinedLoads<detail::LoadOf<Policies>...>;
  [[nodiscard]] typename Load::Options load_options() const {
    return std::visit([](const auto& held) { return detail::joined_options<Load>(held, Policies{}...); }, policy);
  }
  [[nodiscard]] std::optional<ConfigError> check() const {
    return std::visit([](const auto& held) { return detail::check_configuration(held); }, policy);
  }

  class State {
   public:
    using Parts = std::variant<detail::StateOf<Policies>...>;
    explicit State(Parts parts) : parts_(std::move(parts)) {}

    template <std::size_t i>
    [[nodiscard]] auto& part() noexcept {
      return detail::held<i>(parts_);
    }
    using Cursor = std::variant<decltype(detail::cursor_of(std::declval<const detail::StateOf<Policies>&>()))...>;
    [[nodiscard]] Cursor cursor() const {
      Cursor cursor;
      detail::visit_index<sizeof...(Policies)>(parts_.index(), [&]<class Place>(Place /*place*/) {
        cursor.template emplace<Place::value>(detail::cursor_of(detail::held<Place::value>(parts_)));
      });
      return cursor;
    }
    void go_back(const Cursor& cursor) {
      detail::visit_index<sizeof...(Policies)>(parts_.index(), [&]<class Place>(Place /*place*/) {
        detail::go_back(part<Place::value>(), detail::held<Place::value>(cursor));
      });
    }

   private:
    Parts parts_;
  };
  [[nodiscard]] State make_state(std::uint64_t stream) const {
    std::optional<State> state;
    detail::visit_index<sizeof...(Policies)>(policy.index(), [&]<class Place>(Place /*place*/) {
      state.emplace(typename State::Parts(std::in_place_index<Place::value>,
                                          detail::make_state(detail::held<Place::value>(policy), stream)));
    });
    return std::move(*state);
  }

  [[nodiscard]] auto select(const CandidateRange auto& candidates, const auto& request, auto& context) const
      -> std::optional<std::size_t> {
    std::optional<std::size_t> chosen;
    detail::visit_index<sizeof...(Policies)>(policy.index(), [&]<class Place>(Place /*place*/) {
      chosen = select_by<Place::value>(candidates, request, context);
    });
    return chosen;
  }
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
