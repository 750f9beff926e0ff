// SPDX-License-Identifier: Apache-2.0
// NoLoad: the empty load metric; and the manual of load metrics, which says what hooks there are and when they are
// called.
#pragma once

namespace pdroute {
inline namespace v0 {

/// The load metric that measures nothing. It stores nothing and costs nothing. A role has it if its policy reads no
/// metric beyond the count of requests in flight, which every endpoint has.
///
/// The rest of this comment is the manual of load metrics.
///
/// A load metric is a class that measures how busy one endpoint is in one role. The pool keeps one object of it for
/// each life (incarnation) of an endpoint and calls its hooks. Policies and costs read it from a candidate, which
/// derives from it. A metric never chooses, and a policy never measures.
///
/// A policy or a cost names its metric as `using Load = ...` and gives the metric's options by `load_options() const`.
/// Without `load_options`, the options are `Load::Options{}`; without `Load`, the metric is `NoLoad`. `Loads` combines
/// several metrics into one. `WithMetrics` adds metrics that the policy itself does not read.
///
/// Every metric has
/// - `Options`: a copyable type. If it has `std::optional<ConfigError> check() const`, creating a router with options
///   that do not pass this check fails with its error.
/// - A constructor from `Options`: called once per life of an endpoint, by the thread that adds the endpoint, before it
///   takes the pool's lock. If another thread changes the members meanwhile, the metric is destroyed unseen, and
///   another one is made.
/// - Const members that policies and costs read: called by any thread that routes, at any time.
///
/// All other members are hooks. They come in four groups. Each group is a concept in load_metric.hpp, and a metric
/// implements only the groups that it needs.
///
/// `CountsChoices`, such as `RequestRate`: counts how often the endpoint is chosen. It has a type `Receipt` and
/// - `Receipt record(time_point now)`: the endpoint has been chosen and reserved. Called once per reservation, after
///   `try_hold` and `begin`, by the thread that routes.
/// - `void undo(Receipt)`: the reservation is taken back, for example because the other leg found no endpoint. Called
///   at most once per receipt, by the thread that routes.
///
/// `HoldsDemand`, such as `Tokens`: each lease holds a demand until it ends. It has a type `Held`, which the lease
/// stores, and
/// - `bool try_hold(const Demand&, Held&)`: the endpoint has been chosen and is to be reserved. Called by the thread
///   that routes. If the demand would exceed a limit, it returns false and holds nothing; the endpoint then counts as
///   full.
/// - `bool has_room(const Demand&) const`: whether `try_hold` would succeed now. Called by threads that route with a
///   filter, that explain a choice, or that route and have met a full endpoint or a policy that chose none.
/// - `bool could_hold(const Demand&) const`, which may be missing: whether `try_hold` would succeed if no lease held
///   anything. Called, like `has_room`, for an endpoint without room; "no" makes it count as too large instead of full.
///   Without this hook, every demand is taken to fit an idle endpoint.
/// - `void grow(Held&, std::uint64_t tokens)`: `Lease::progress` was called. Called by the thread that uses the lease.
/// - `void computed(Held&)`, which may be missing: `Lease::staged` was called on a prefill lease, so the prompt is
///   computed and its KV is still held. Called at most once per lease, by the thread that uses it; `let_go` follows at
///   its end.
/// - `void let_go(Held&)`: the lease has ended in any way, or the reservation is taken back. Called once per successful
///   `try_hold`, by the thread that ends the lease or routes.
/// - `void set_capacity(const Capacity&)`: the limits of the endpoint. Called before another thread sees the metric and
///   again whenever the limits change, by the thread that changes them, under the pool's lock.
///
/// `TimesLeases`, such as `Latency`: measures how long leases take. It has a type `Held`, which the lease stores, and
/// - `void begin(Held&, time_point now)`: the endpoint has been chosen and reserved. Called once per reservation, by
///   the thread that routes. No hook takes it back, so it should write to `Held` only.
/// - `void first_token(Held&, time_point now)`: `Lease::first_token(now)` was called. Called by the thread that uses
///   the lease, at most once if the caller keeps to the rules of `Lease`.
/// - `void complete(Held&, time_point now)`: `Lease::complete(now)` was called or, earlier, `staged(now)` of a prefill
///   lease. Called before `let_go`, once, by the thread that ends or uses the lease. Not called after a failure or a
///   cancel, or for a reservation that is taken back.
///
/// `IdentifiesEndpoint`, such as `Identity`: knows its endpoint. It has
/// - `void identify(std::uint64_t id_hash, std::uint32_t weight)`: the endpoint's id as a hash, and its weight. Called
///   by the thread that adds the endpoint, before another thread sees the metric, and by a thread that changes its
///   weight, under the pool's lock, with the same hash, while other threads read.
///
/// `now` is a time point of the router's clock, so make functions that take it templates. A route reads the clock at
/// most once: `record`, `begin` and the policy get the same time. `first_token` and `complete` get the time that the
/// caller passes to the lease.
///
/// If a hook is missing or has another signature, the metric does not satisfy the concept of its group, and no hook of
/// that group is ever called. There is no error, because the library cannot know what was intended. To be told, write
/// `static_assert(pdroute::CountsChoices<MyMetric>);` beside the metric. In a role with a metric that lacks a group,
/// - without `CountsChoices`, the metric does not learn of choices;
/// - without `HoldsDemand`, demands are not computed, leases hold nothing, and `Lease::progress` does not compile;
/// - without `TimesLeases`, `Lease::complete` and `Lease::first_token` need no time;
/// - without `IdentifiesEndpoint`, the weights of endpoints are neither read nor checked.
///
/// Two abilities are not hooks. A limit in `Capacity` on tokens or KV tokens is accepted only in a role with a metric
/// that derives from the `LimitedCount` of that quantity. An engine's report reaches `EngineReports` alone.
///
/// Requirements: the hooks that choosing calls (`record`, `try_hold`, `has_room`, `could_hold`, `begin`) should not
/// throw. If one does, it must have changed nothing; the reservation is then taken back, and the exception reaches the
/// caller of `route`. No other hook throws: they are called by destructors, or after the pool has changed. No hook
/// calls the router or a dispatcher, because some are called under the pool's lock. Hooks and readers run on many
/// threads at once; only the constructor, and the first calls of `identify` and `set_capacity`, run before other
/// threads see the metric. `Held` and `Receipt` are default-constructible, and copying them does not throw. A metric in
/// both `HoldsDemand` and `TimesLeases` has one `Held` for both. The class is not final. The names of its members
/// differ from those that a candidate has anyway, such as `in_flight`, `endpoint`, `id` and `incarnation`, and from
/// those of other metrics in the same `Loads`.
struct NoLoad {
  struct Options {};  ///< there are none

  NoLoad() = default;  ///< measures nothing
  /// Measures nothing.
  constexpr explicit NoLoad(Options /*options*/) noexcept {}
};

}  // namespace v0
}  // namespace pdroute
