// SPDX-License-Identifier: Apache-2.0
// The request, the filters and the policies of the fuzzed router.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string_view>
#include <type_traits>
#include <vector>

#include "fuzz/payload.hpp"

namespace fuzz {

constexpr std::size_t place(pdroute::Role role) {
  return static_cast<std::size_t>(role);
}
constexpr pdroute::Role other(pdroute::Role role) {
  return role == pdroute::Role::prefill ? pdroute::Role::decode : pdroute::Role::prefill;
}

class Witness;

/// A request with a demand that differs by endpoint. It can make a policy decline, and it shows a witness the
/// candidates that the policy is offered.
struct Job {
  enum class Answer : std::uint8_t { choose, decline, out_of_range };

  std::array<std::uint64_t, 2> size = {};  ///< by role
  std::array<Answer, 2> answer = {};       ///< by role
  Witness* witness = nullptr;

  [[nodiscard]] std::uint64_t amount(std::uint32_t group, pdroute::Role role) const {
    constexpr auto max = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t base = size[place(role)];
    return base > max - group ? max : base + group;
  }
  [[nodiscard]] pdroute::Demand demand(const Payload& payload, pdroute::Role role) const {
    const std::uint64_t own = amount(payload.group, role);
    // The metric that this role does not count gets an absurd demand, which must have no effect.
    return role == pdroute::Role::prefill ? pdroute::Demand{.tokens = own, .kv_tokens = ~own}
                                          : pdroute::Demand{.tokens = ~own, .kv_tokens = own};
  }
};

/// The filter of one call in the test's own terms: a leg by role, and the rule for pairs.
struct Wish {
  struct Leg {
    std::vector<pdroute::FailedEndpoint> exclude = {};
    std::optional<std::vector<std::string_view>> allowed = {};
    std::optional<std::uint32_t> groups = {};  ///< accepted groups, one bit each
  };
  std::array<Leg, 2> leg = {};
  std::optional<std::uint32_t> sum_not = {};  ///< a pair is incompatible if the sum of its groups is this, modulo 3
  std::optional<std::uint32_t> throws_after = {};

  [[nodiscard]] bool compatible(std::uint32_t prefill_group, std::uint32_t decode_group) const {
    return !sum_not || (prefill_group + decode_group) % 3 != *sum_not;
  }
};

/// One candidate that a policy was offered.
struct Offer {
  pdroute::Role role;
  std::uint64_t incarnation;
  std::uint32_t in_flight;
  std::uint64_t demand;
  std::optional<std::uint32_t> arrivals;  ///< in the window, if the role counts them
};

/// Receives the candidates that a policy is offered.
class Witness {
 public:
  virtual void policy_is_asked(const std::vector<Offer>& offers) = 0;

 protected:
  ~Witness() = default;
};

constexpr std::chrono::seconds window{60};  // its buckets are one second long

/// A policy that shows its candidates to the job's witness and then chooses, declines or answers out of range, as the
/// job says.
template <class Policy>
struct Asked : Policy {
  template <class Candidates, class Context>
  [[nodiscard]] std::optional<std::size_t> select(const Candidates& candidates, const Job& job,
                                                  Context& context) const {
    using Slot = std::remove_cvref_t<decltype(candidates[0])>;
    if (job.witness != nullptr) {
      std::vector<Offer> offers;
      for (std::size_t i = 0; i < candidates.size(); ++i) {
        const Slot& slot = candidates[i];
        Offer offer{Slot::role, slot.incarnation(), slot.in_flight(), 0, std::nullopt};
        if constexpr (requires { slot.tokens(); }) offer.demand = slot.tokens();
        if constexpr (requires { slot.kv_tokens(); }) offer.demand = slot.kv_tokens();
        if constexpr (requires { slot.arrivals(0); })
          offer.arrivals = slot.arrivals(pdroute::RateWindow{window}.bucket(context.now()));
        offers.push_back(offer);
      }
      job.witness->policy_is_asked(offers);
    }
    switch (job.answer[place(Slot::role)]) {
      case Job::Answer::decline: return std::nullopt;
      case Job::Answer::out_of_range: return candidates.size();
      case Job::Answer::choose: break;
    }
    return Policy::select(candidates, job, context);
  }
};

using PrefillPolicy =
    pdroute::WithMetrics<Asked<pdroute::RoundRobinPolicy<pdroute::Rotation::per_dispatcher>>, pdroute::Tokens>;
using DecodePolicy = pdroute::WithMetrics<Asked<pdroute::QpsPolicy<>>, pdroute::KvTokens>;
using Router = pdroute::DisaggregatedRouter<PrefillPolicy, DecodePolicy, Payload, pdroute::ManualClock>;

}  // namespace fuzz
