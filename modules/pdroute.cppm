// SPDX-License-Identifier: Apache-2.0
// The C++20 module `pdroute`: `import pdroute;` instead of `#include <pdroute/pdroute.hpp>`.
//
// It exports the public names of the core headers. The names stay attached to the global module, so a program may
// include a header in one file and import the module in another. The opt-in adapters are headers only: include
// <pdroute/adapt/...> before the import. Tested with clang 19; see tests/consumer/module.sh.
module;

#include <pdroute/pdroute.hpp>

export module pdroute;

export namespace pdroute {

// the nouns
using pdroute::below;
using pdroute::BitGenerator;
using pdroute::CallerClock;
using pdroute::CandidateRange;
using pdroute::Capacity;
using pdroute::ConfigError;
using pdroute::CountedCandidates;
using pdroute::Demand;
using pdroute::endpoint_id;
using pdroute::EndpointId;
using pdroute::EndpointIdView;
using pdroute::EndpointInstanceView;
using pdroute::EndpointTraits;
using pdroute::EndpointType;
using pdroute::FailureKind;
using pdroute::HasIncarnation;
using pdroute::Health;
using pdroute::Holdings;
using pdroute::IdentifiedCandidates;
using pdroute::IncarnatedCandidates;
using pdroute::Intake;
using pdroute::key;
using pdroute::Key;
using pdroute::LimitedQuantities;
using pdroute::LimitedQuantity;
using pdroute::ManualClock;
using pdroute::max_endpoint_weight;
using pdroute::NoEndpoint;
using pdroute::Outcomes;
using pdroute::QuantityList;
using pdroute::QuantityRef;
using pdroute::RatedCandidates;
using pdroute::Request;
using pdroute::RequestType;
using pdroute::Result;
using pdroute::Role;
using pdroute::SplitMix64;
using pdroute::stream_seed;
using pdroute::to_string;
using pdroute::version_major;
using pdroute::version_minor;
using pdroute::version_patch;
using pdroute::WeightedCandidates;
namespace quantity {
using pdroute::quantity::kv_tokens;
using pdroute::quantity::tokens;
}  // namespace quantity

// load/
using pdroute::counts_quantity;
using pdroute::CountsChoices;
using pdroute::EngineLoad;
using pdroute::EngineReport;
using pdroute::EngineReports;
using pdroute::Estimate;
using pdroute::EwmaOptions;
using pdroute::HoldsDemand;
using pdroute::IdentifiesEndpoint;
using pdroute::Identity;
using pdroute::KvTokens;
using pdroute::Latency;
using pdroute::LimitedCount;
using pdroute::LoadMetric;
using pdroute::Loads;
using pdroute::NoLoad;
using pdroute::PeakLatency;
using pdroute::RateWindow;
using pdroute::ReadsReported;
using pdroute::ReportFigure;
using pdroute::RequestRate;
using pdroute::TimesLeases;
using pdroute::TimeToFirstToken;
using pdroute::Tokens;

// cost/
using pdroute::ArrivalRate;
using pdroute::CostFunction;
using pdroute::EngineInFlight;
using pdroute::HeldKvTokens;
using pdroute::InFlight;
using pdroute::Lexicographic;
using pdroute::MeanLatency;
using pdroute::MeanTimeToFirstToken;
using pdroute::PeakEwma;
using pdroute::QueuedTokens;
using pdroute::ReportedKvUsage;
using pdroute::ReportedQueue;
using pdroute::ReportedRequests;
using pdroute::WeightedSum;

// policy/
using pdroute::all_candidates;
using pdroute::AnyPolicy;
using pdroute::check_policy;
using pdroute::ChoiceContext;
using pdroute::EndpointSelector;
using pdroute::LeastKvPolicy;
using pdroute::LeastRequestPolicy;
using pdroute::LeastTokensPolicy;
using pdroute::LocalContext;
using pdroute::LowestCostPolicy;
using pdroute::PeakEwmaPolicy;
using pdroute::PowerOfTwoChoicesPolicy;
using pdroute::QpsPolicy;
using pdroute::RandomPolicy;
using pdroute::RendezvousCandidates;
using pdroute::RendezvousPolicy;
using pdroute::Rotation;
using pdroute::RotationContext;
using pdroute::RoundRobinPolicy;
using pdroute::SessionAffinityPolicy;
using pdroute::SessionCandidates;
using pdroute::TieRule;
using pdroute::WeightedRandomPolicy;
using pdroute::WeightedRoundRobinPolicy;
using pdroute::WeightedTwoChoicesPolicy;
using pdroute::WithMetrics;

// session/
using pdroute::SessionTable;

// pool/
using pdroute::Assignment;
using pdroute::DepartingEndpoint;
using pdroute::EjectionChange;
using pdroute::EjectionPhase;
using pdroute::EndpointKey;
using pdroute::EndpointPool;
using pdroute::EndpointStatus;
using pdroute::FailedEndpoint;
using pdroute::FailedEndpoints;
using pdroute::LastEndpoint;
using pdroute::Lease;
using pdroute::LeaseId;
using pdroute::LeaseIdError;
using pdroute::OutlierDetection;
using pdroute::RoleChange;
using pdroute::SlowStart;

// router/
using pdroute::DisaggregatedRouter;
using pdroute::Dispatcher;
using pdroute::ExceededLimit;
using pdroute::ExplainedEndpoint;
using pdroute::ExplainedRole;
using pdroute::Explanation;
using pdroute::Filter;
using pdroute::GroupRef;
using pdroute::NamedCost;
using pdroute::PredicateRef;
using pdroute::Refusals;
using pdroute::Route;
using pdroute::RouteFilter;
using pdroute::RouterMembers;
using pdroute::RouterOptions;

}  // namespace pdroute
