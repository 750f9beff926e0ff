// SPDX-License-Identifier: Apache-2.0
// The load metric of a role whose policy reads none: it stores nothing and costs nothing.
#pragma once

namespace pdroute::inline v0 {

/// What every slot carries when its role's policy asks for no metric beyond the count of requests in flight.
///
/// A load metric is a class with this shape, both nested types included. A pool constructs one per endpoint from
/// `Options`, and the policy reads its const members from a candidate, which derives from it. A metric that counts
/// choices also has
///   `Receipt record(time_point now)`  called when the router reserves the endpoint, and
///   `void undo(Receipt)`              called when it takes that back because the other leg found nobody.
/// A policy names its metric as `using Load = ...` and gives the options by `load_options()`.
struct NoLoad {
  struct Options {};
  struct Receipt {};

  NoLoad() = default;
  constexpr explicit NoLoad(Options /*options*/) noexcept {}
};

}  // namespace pdroute::inline v0
