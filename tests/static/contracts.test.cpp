// SPDX-License-Identifier: Apache-2.0
// Sizes, triviality and noexcept that users and speed rely on.
#include <cstddef>
#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <span>
#include <type_traits>
#include <utility>

#include "engines.hpp"

namespace {

using namespace pdroute;

// A metric that no policy reads is not stored. A slot without any is four cache lines: what choices and
// endings write, what identifies the life, and what the gate needs.
static_assert(std::is_empty_v<NoLoad>);
static_assert(sizeof(detail::Slot<Role::prefill, Engine, NoLoad>) == 256);
static_assert(sizeof(detail::Slot<Role::prefill, Engine, RequestRate>) >
              sizeof(detail::Slot<Role::prefill, Engine, NoLoad>));
static_assert(alignof(detail::Slot<Role::prefill, Engine>) == 64);

// A slot stores an identity only if its policy reads one.
template <class Policy>
inline constexpr bool stores_identity =
    std::is_base_of_v<Identity,
                      typename DisaggregatedRouter<Policy, Policy, Engine>::Dispatcher::Core::PrefillLeg::Slot>;
static_assert(sizeof(Identity) == 16 && !stores_identity<RandomPolicy<>> && !stores_identity<LeastTokensPolicy>);
static_assert(stores_identity<WeightedRoundRobinPolicy> && stores_identity<WeightedRandomPolicy> &&
              stores_identity<WeightedTwoChoicesPolicy> && stores_identity<RendezvousPolicy<>> &&
              stores_identity<RendezvousPolicy<LeastTokensPolicy>>);

// What a gateway keeps per request: two pointers.
using RandomRouter = DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, Engine>;
static_assert(sizeof(RandomRouter::Route) == 2 * sizeof(void*));
static_assert(std::is_nothrow_move_constructible_v<RandomRouter::Route>);
static_assert(std::is_nothrow_move_assignable_v<RandomRouter::Route>);
static_assert(std::is_nothrow_default_constructible_v<RandomRouter::Route>);
static_assert(!std::is_copy_constructible_v<RandomRouter::Route>);

static_assert(std::is_move_constructible_v<RandomRouter> && !std::is_copy_constructible_v<RandomRouter>);
static_assert(std::is_move_constructible_v<RandomRouter::Dispatcher> &&
              !std::is_copy_constructible_v<RandomRouter::Dispatcher>);

// A lease carries what it holds, and nothing for what its role does not count.
template <class Load>
using LeaseWith = Lease<detail::Slot<Role::decode, Engine, Load>>;
static_assert(sizeof(LeaseWith<NoLoad>) == sizeof(void*));
static_assert(sizeof(LeaseWith<RequestRate>) == sizeof(void*));
static_assert(sizeof(LeaseWith<Loads<RequestRate>>) == sizeof(void*));
static_assert(sizeof(LeaseWith<KvTokens>) == sizeof(void*) + sizeof(std::uint64_t));
static_assert(sizeof(LeaseWith<Loads<RequestRate, KvTokens>>) == sizeof(void*) + sizeof(std::uint64_t));
static_assert(sizeof(LeaseWith<Loads<Tokens, KvTokens>>) == sizeof(void*) + 2 * sizeof(std::uint64_t));
static_assert(sizeof(LeaseWith<EngineReports>) == sizeof(void*));
static_assert(sizeof(LeaseWith<PeakLatency>) == sizeof(void*) + sizeof(std::int64_t));
static_assert(std::is_nothrow_move_constructible_v<LeaseWith<KvTokens>> &&
              std::is_nothrow_move_assignable_v<LeaseWith<KvTokens>> &&
              std::is_nothrow_default_constructible_v<LeaseWith<KvTokens>> &&
              !std::is_copy_constructible_v<LeaseWith<KvTokens>>);

// Ending, detaching and adopting a lease never throw, whatever the role counts.
static_assert(noexcept(std::declval<LeaseWith<KvTokens>&>().complete()));
static_assert(noexcept(std::declval<LeaseWith<KvTokens>&>().fail(FailureKind::bad_response)));
static_assert(noexcept(std::declval<LeaseWith<KvTokens>&>().progress(1)));
static_assert(noexcept(std::declval<detail::LeaseTable<LeaseWith<KvTokens>>&>().detach(LeaseWith<KvTokens>{})));
static_assert(noexcept(std::declval<detail::LeaseTable<LeaseWith<KvTokens>>&>().adopt(LeaseId{})));
static_assert(sizeof(LeaseId) == sizeof(std::uint64_t));

// Leases of the two roles do not mix.
static_assert(!std::is_convertible_v<RandomRouter::PrefillLease, RandomRouter::DecodeLease>);
static_assert(!std::is_assignable_v<RandomRouter::DecodeLease&, RandomRouter::PrefillLease>);

// Answers are plain values.
static_assert(std::is_trivially_copyable_v<NoEndpoint>);
static_assert(std::is_trivially_copyable_v<Request>);
static_assert(std::is_trivially_copyable_v<Capacity> && std::is_trivially_copyable_v<Demand>);
static_assert(std::is_trivially_copyable_v<Outcomes> && std::is_trivially_copyable_v<Refusals>);
static_assert(std::is_trivially_copyable_v<EndpointKey>);

// The caller keeps a list of failed endpoints beside the request, and passes it to a filter as it is.
static_assert(std::is_trivially_copyable_v<FailedEndpoints<>> &&
              std::is_nothrow_default_constructible_v<FailedEndpoints<>>);
static_assert(sizeof(FailedEndpoints<3>) == 3 * sizeof(FailedEndpoint) + sizeof(std::size_t));
static_assert(std::is_convertible_v<const FailedEndpoints<>&, std::span<const FailedEndpoint>>);

// A stateless policy adds nothing to the size of a context.
struct Plain {};
static_assert(std::is_empty_v<detail::StateOf<Plain>>);
static_assert(sizeof(LocalContext<Plain>) == sizeof(SplitMix64) + sizeof(std::uint64_t));

static_assert(std::is_aggregate_v<RoundRobinPolicy<>> && std::is_aggregate_v<RandomPolicy<>> &&
              std::is_aggregate_v<QpsPolicy<>> && std::is_aggregate_v<WeightedRoundRobinPolicy> &&
              std::is_aggregate_v<RendezvousPolicy<>>);

}  // namespace
