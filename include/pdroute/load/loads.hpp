// SPDX-License-Identifier: Apache-2.0
// Loads: several load metrics combined into one.
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

/// A load metric that consists of `Metrics`, each at most once. It derives from all of them, so policies and costs read
/// the members of each. It has the hooks of every group that at least one metric has, and passes each call on to the
/// metrics of that group.
///
/// Guarantee: no limit is exceeded. Demands are taken in the order of `Metrics`; if a metric refuses or throws, what
/// the metrics before it hold is given back. Meanwhile another reservation may be refused although there would be room.
/// In the same way, if `record` of a metric throws, what the metrics before it recorded is undone.
///
/// Thread safety: that of the metrics.
template <LoadMetric... Metrics>
class Loads : public Metrics... {
 public:
  using Options = std::tuple<typename Metrics::Options...>;   ///< the options of each metric, in order
  using Receipt = std::tuple<detail::ReceiptOf<Metrics>...>;  ///< the receipt of each metric; empty for those without
  using Held =
      std::tuple<detail::HeldOf<Metrics>...>;  ///< what a lease stores for each metric; empty for those without

  /// Constructs each metric from its options.
  explicit Loads(const Options& options) : Loads(options, std::index_sequence_for<Metrics...>{}) {}

  /// Hook of `CountsChoices`: the endpoint has been chosen and reserved.
  template <class TimePoint>
  Receipt record(TimePoint now)
    requires(CountsChoices<Metrics> || ...)
  {
    Receipt receipt{};
    struct Taken {  // undoes what has been recorded if a metric throws
      Loads& loads;
      const Receipt& receipt;
      std::size_t recorded = 0;
      ~Taken() { loads.undo(receipt, recorded); }
    } taken{*this, receipt};
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (CountsChoices<M>) std::get<i>(receipt) = metric.record(now);
      taken.recorded = i + 1;
    });
    taken.recorded = 0;
    return receipt;
  }
  /// Hook of `CountsChoices`: the reservation is taken back.
  void undo(const Receipt& receipt)
    requires(CountsChoices<Metrics> || ...)
  {
    undo(receipt, sizeof...(Metrics));
  }

  /// Hook of `HoldsDemand`: holds the demand in all metrics, or returns false and holds nothing.
  [[nodiscard]] bool try_hold(const Demand& demand, Held& held)
    requires(HoldsDemand<Metrics> || ...)
  {
    struct Taken {  // gives back what is held if a metric refuses or throws
      Loads& loads;
      Held& held;
      std::size_t holding = 0;
      ~Taken() { loads.let_go(held, holding); }
    } taken{*this, held};
    bool all = true;
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) all = all && metric.try_hold(demand, std::get<i>(held));
      if (all) taken.holding = i + 1;
    });
    if (all) taken.holding = 0;
    return all;
  }
  /// Hook of `HoldsDemand`: whether `try_hold` would succeed now.
  [[nodiscard]] bool has_room(const Demand& demand) const
    requires(HoldsDemand<Metrics> || ...)
  {
    return (has_room1<Metrics>(demand) && ...);
  }
  /// Hook of `HoldsDemand`: whether `try_hold` would succeed if no lease held anything.
  [[nodiscard]] bool could_hold(const Demand& demand) const
    requires(HoldsDemand<Metrics> || ...)
  {
    return (could_hold1<Metrics>(demand) && ...);
  }
  /// Hook of `HoldsDemand`: the lease has made progress.
  void grow(Held& held, std::uint64_t tokens) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) metric.grow(std::get<i>(held), tokens);
    });
  }
  /// Hook of `HoldsDemand`: the prompt is computed.
  void computed(Held& held) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) detail::computed(metric, std::get<i>(held));
    });
  }
  /// Hook of `HoldsDemand`: the lease has ended.
  void let_go(Held& held) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    let_go(held, sizeof...(Metrics));
  }

  /// Hook of `TimesLeases`: the endpoint has been chosen and reserved.
  template <class TimePoint>
  void begin(Held& held, TimePoint now)
    requires(TimesLeases<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (TimesLeases<M>) metric.begin(std::get<i>(held), now);
    });
  }
  /// Hook of `TimesLeases`: the first token has come.
  template <class TimePoint>
  void first_token(Held& held, TimePoint now) noexcept
    requires(TimesLeases<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (TimesLeases<M>) metric.first_token(std::get<i>(held), now);
    });
  }
  /// Hook of `TimesLeases`: the lease is complete.
  template <class TimePoint>
  void complete(Held& held, TimePoint now) noexcept
    requires(TimesLeases<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (TimesLeases<M>) metric.complete(std::get<i>(held), now);
    });
  }

  /// Hook of `HoldsDemand`: the limits of the endpoint.
  void set_capacity(const Capacity& capacity) noexcept
    requires(HoldsDemand<Metrics> || ...)
  {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (HoldsDemand<M>) metric.set_capacity(capacity);
    });
  }

  /// Hook of `IdentifiesEndpoint`: the endpoint's id as a hash, and its weight.
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
  /// Calls `act(metric, place)` for each metric, in order.
  template <class Act>
  void each(const Act& act) {
    [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
      (act(static_cast<Metrics&>(*this), Place<i>{}), ...);
    }(std::index_sequence_for<Metrics...>{});
  }

  template <class M>
  [[nodiscard]] bool has_room1(const Demand& demand) const {
    if constexpr (HoldsDemand<M>) {
      return M::has_room(demand);
    } else {
      return true;
    }
  }
  template <class M>
  [[nodiscard]] bool could_hold1(const Demand& demand) const {
    return detail::could_hold(static_cast<const M&>(*this), demand);
  }
  /// Undoes what the first `count` metrics have recorded.
  void undo(const Receipt& receipt, std::size_t count) {
    each([&]<class M, std::size_t i>(M& metric, Place<i> /*place*/) {
      if constexpr (CountsChoices<M>) {
        if (i < count) metric.undo(std::get<i>(receipt));
      }
    });
  }
  /// Lets go in the first `count` metrics.
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
