// SPDX-License-Identifier: Apache-2.0
// Several load metrics as one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/load/load_metric.hpp>
#include <tuple>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// Carries every one of `Metrics`, each at most once. Weights are taken in the order of the list and given back in case
/// a later one refuses, so a reservation may be refused spuriously while another is rolled back, but no limit is
/// passed.
template <LoadMetric... Metrics>
class Loads : public Metrics... {
  template <class M>
  using Receipt1 = detail::ReceiptOf<M>;
  template <class M>
  using Held1 = detail::HeldOf<M>;

 public:
  using Options = std::tuple<typename Metrics::Options...>;
  using Receipt = std::tuple<Receipt1<Metrics>...>;
  using Held = std::tuple<Held1<Metrics>...>;

  explicit Loads(const Options& options) : Loads(options, std::index_sequence_for<Metrics...>{}) {}

  template <class TimePoint>
  Receipt record(TimePoint now)
    requires(CountsChoices<Metrics> || ...)
  {
    return {record1<Metrics>(now)...};
  }
  void undo(const Receipt& receipt)
    requires(CountsChoices<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (CountsChoices<M>) metric.undo(std::get<i>(receipt));
    });
  }

  [[nodiscard]] bool try_hold(const Demand& weight, Held& held) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    std::size_t holding = 0;
    bool all = true;
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) all = all && metric.try_hold(weight, std::get<i>(held));
      if (all) holding = i + 1;
    });
    if (!all) let_go(held, holding);
    return all;
  }
  [[nodiscard]] bool has_room(const Demand& weight) const noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    return (has_room1<Metrics>(weight) && ...);
  }
  void grow(Held& held, std::uint64_t tokens) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) metric.grow(std::get<i>(held), tokens);
    });
  }
  void let_go(Held& held) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    let_go(held, sizeof...(Metrics));
  }

  template <class TimePoint>
  void begin(Held& held, TimePoint now) noexcept
    requires(TimesLeases<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (TimesLeases<M>) metric.begin(std::get<i>(held), now);
    });
  }
  template <class TimePoint>
  void first_token(Held& held, TimePoint now) noexcept
    requires(TimesLeases<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (TimesLeases<M>) metric.first_token(std::get<i>(held), now);
    });
  }
  template <class TimePoint>
  void complete(Held& held, TimePoint now) noexcept
    requires(TimesLeases<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (TimesLeases<M>) metric.complete(std::get<i>(held), now);
    });
  }

  void set_capacity(const Capacity& capacity) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) metric.set_capacity(capacity);
    });
  }

  void identify(std::uint64_t id_hash, std::uint32_t weight)
    requires(IdentifiesEndpoint<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (IdentifiesEndpoint<M>) metric.identify(id_hash, weight);
    });
  }

 private:
  template <std::size_t... i>
  Loads(const Options& options, std::index_sequence<i...> /*places*/) : Metrics(std::get<i>(options))... {}

  template <std::size_t i>
  using Place = std::integral_constant<std::size_t, i>;
  /// Calls `act(metric, place)` for each metric in turn.
  template <class Act>
  void each(const Act& act) {
    [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
      (act(static_cast<Metrics&>(*this), Place<i>{}), ...);
    }(std::index_sequence_for<Metrics...>{});
  }

  template <class M, class TimePoint>
  Receipt1<M> record1(TimePoint now) {
    if constexpr (CountsChoices<M>) {
      return M::record(now);
    } else {
      return {};
    }
  }
  template <class M>
  [[nodiscard]] bool has_room1(const Demand& weight) const noexcept {
    if constexpr (HoldsDemand<M>) {
      return M::has_room(weight);
    } else {
      return true;
    }
  }
  void let_go(Held& held, std::size_t count) noexcept {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) {
        if (i < count) metric.let_go(std::get<i>(held));
      }
    });
  }
};

}  // namespace v0
}  // namespace pdroute
