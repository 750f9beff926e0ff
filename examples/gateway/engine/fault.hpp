// SPDX-License-Identifier: Apache-2.0
// Faults of an emulated engine, for tests.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace emulated {

enum class Fault {
  none,
  garbage,       ///< a reply that is not HTTP
  garbage_body,  ///< HTTP, with a body that is neither JSON nor events
  slow,          ///< pauses between the pieces of the reply
  hang,          ///< no reply, and the connection stays open
  cut,           ///< half a reply, then the connection is closed
  error_500,
  refuse_429,  ///< the reply of an engine that runs too many requests
};

constexpr std::array<std::pair<std::string_view, Fault>, 8> fault_names{{{"none", Fault::none},
                                                                         {"garbage", Fault::garbage},
                                                                         {"garbage-body", Fault::garbage_body},
                                                                         {"slow", Fault::slow},
                                                                         {"hang", Fault::hang},
                                                                         {"cut", Fault::cut},
                                                                         {"error-500", Fault::error_500},
                                                                         {"refuse-429", Fault::refuse_429}}};

[[nodiscard]] std::optional<Fault> fault_named(std::string_view name);

/// Every n-th request has the fault; the others have none.
class Faults {
 public:
  void set(Fault fault, std::uint64_t every) noexcept {
    fault_ = fault;
    every_ = every;
    requests_ = 0;
  }
  [[nodiscard]] Fault next() noexcept { return ++requests_ % every_ == 0 ? fault_ : Fault::none; }

 private:
  Fault fault_ = Fault::none;
  std::uint64_t every_ = 1;
  std::uint64_t requests_ = 0;
};

}  // namespace emulated
