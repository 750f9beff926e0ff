// SPDX-License-Identifier: Apache-2.0
// The load metric of a role whose policy reads none: it stores nothing and costs nothing.
#pragma once

namespace pdroute {
inline namespace v0 {

/// What every slot carries when its role's policy asks for no metric beyond the count of requests in flight.
///
/// A load metric is a class with this shape. A pool constructs one per endpoint from `Options`, and the policy reads
/// its const members from a candidate, which derives from it. A policy names its metric as `using Load = ...` and gives
/// the options by `load_options()`; several metrics make one by `Loads`.
///
/// A metric that counts choices (`CountsChoices`, such as `RequestRate`) also has `Receipt` and
/// - `Receipt record(time_point now)`: the router has reserved the endpoint;
/// - `void undo(Receipt)`: the router takes that back because the other leg found nobody.
///
/// A metric that weighs leases (`HoldsDemand`, such as `Tokens`) also has `Held`, kept in the lease, and
/// - `bool try_hold(const Demand&, Held&)`: the router reserves; false, and nothing held, if that passes a limit;
/// - `bool has_room(const Demand&) const`: whether `try_hold` would succeed now;
/// - `void grow(Held&, std::uint64_t tokens)`: the lease has made progress;
/// - `void let_go(Held&)`: the lease has ended;
/// - `void set_capacity(const Capacity&)`: the limits of this endpoint.
///
/// A metric that measures time (`TimesLeases`, such as `Latency`) also has `Held` and
/// - `void begin(Held&, time_point now)`: the router has reserved;
/// - `void first_token(Held&, time_point now)`: as `Lease::first_token`, told at most once;
/// - `void complete(Held&, time_point now)`: as `Lease::complete`; after a failure or a cancel it is not called.
/// A metric that knows its endpoint (`IdentifiesEndpoint`, such as `Identity`) also has
/// - `void identify(std::uint64_t id_hash, std::uint32_t weight)`: called once, before any_endpoint else sees the metric.
struct NoLoad {
  struct Options {};

  NoLoad() = default;
  constexpr explicit NoLoad(Options /*options*/) noexcept {}
};

}  // namespace v0
}  // namespace pdroute
