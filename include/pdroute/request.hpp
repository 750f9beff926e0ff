// SPDX-License-Identifier: Apache-2.0
// What the router is told about a request.
#pragma once

#include <cstdint>
#include <type_traits>

namespace pdroute::inline v0 {

/// The facts of a request that a policy may read. A gateway whose own policies read more passes a type of its own:
/// `route` takes any type and hands it to the policies untouched.
struct Request {
  std::uint64_t prompt_tokens = 0;  ///< tokens in the prompt
};

/// What may describe a request: `Request`, or any class of the caller's.
template <class R>
concept RequestType = std::is_class_v<R>;

}  // namespace pdroute::inline v0
