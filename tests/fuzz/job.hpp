// SPDX-License-Identifier: Apache-2.0
// The request, the wishes and the policies of the fuzzed router.
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

/// A request that weighs differently on each endpoint, may make a policy decline, and shows a witness what the policy
/// is offered.
struct Job {
  enum class Answer : std::uint8_t { choose, nobody, out_of_range };

  std::array<std::uint64_t, 2> size = {};  ///< by role
  std::array<Answer, 2> answer = {};       ///< by role
  Witness* witness = nullptr;

  [[nodiscard]] std::uint64_t amount(std::uint32_t group, pdroute::Role role) const {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t base = size[place(role)];
    return base > most - group ? most : base + group;
  }
  [[nodiscard]] pdroute::Demand demand(const Payload& payload, pdroute::Role role) const {
    const std::uint64_t own = amount(payload.group, role);
    // What the role does not count is absurd: it must not matter.
    return role == pdroute::Role::prefill ? pdroute::Demand{.tokens = own, .kv_tokens = ~own}
                                          : pdroute::Demand{.tokens = ~own, .kv_tokens = own};
  }
};

/// What a call asks of the endpoints, in the test's own words.
struct Wish {
  struct Leg {
    std::vector<pdroute::FailedEndpoint> exclude = {};
    std::optional<std::vector<std::string_view>> allowed = {};
    std::optional<std::uint32_t> groups = {};  ///< accepted, as bits
  };
  std::array<Leg, 2> leg = {};
  std::optional<std::uint32_t> sum_not = {};  ///< a pair is compatible unless its groups add up to this, modulo 3
  std::optional<std::uint32_t> throws_after = {};

  [[nodiscard]] bool compatible(std::uint32_t prefill_group, std::uint32_t decode_group) const {
    return !sum_not || (prefill_group + decode_group) % 3 != *sum_not;
  }
};

/// What a policy was offered.
struct Offer {
  pdroute::Role role;
  std::uint64_t incarnation;
  std::uint32_t in_flight;
  std::uint64_t weight;
  std::optional<std::uint32_t> arrivals;  ///< in the window, if the role counts them
};

class Witness {
 public:
  virtual void policy_is_asked(const std::vector<Offer>& offers) = 0;

 protected:
  ~Witness() = default;
};

constexpr std::chrono::seconds window{60};  // buckets of one second

/// A policy that does as the job says.
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
        if constexpr (requires { slot.tokens(); }) offer.weight = slot.tokens();
        if constexpr (requires { slot.kv_tokens(); }) offer.weight = slot.kv_tokens();
        if constexpr (requires { slot.arrivals(0); })
          offer.arrivals = slot.arrivals(pdroute::RateWindow{window}.bucket(context.now()));
        offers.push_back(offer);
      }
      job.witness->policy_is_asked(offers);
    }
    switch (job.answer[place(Slot::role)]) {
      case Job::Answer::nobody: return std::nullopt;
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
