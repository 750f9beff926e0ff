// SPDX-License-Identifier: Apache-2.0
// SessionAffinityPolicy: sends a session to the endpoint that served it before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/key.hpp>
#include <pdroute/policy/detail/explain_choice.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/detail/weighted_choice.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <pdroute/session/session_table.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// The number of candidates that only a bound session may have. They stand at the indices from `size()` on; see
/// `SessionCandidates`.
template <class Candidates>
[[nodiscard]] constexpr std::size_t bound_only_size(const Candidates& candidates) {
  if constexpr (requires { candidates.bound_only_size(); }) {
    return candidates.bound_only_size();
  } else {
    return 0;
  }
}

/// The weight of a candidate, 1 if the role does not store weights.
template <class Candidate>
[[nodiscard]] constexpr std::uint64_t weight_or_one(const Candidate& candidate) {
  if constexpr (requires { candidate.weight(); }) {
    return candidate_weight(candidate);
  } else {
    return 1;
  }
}

}  // namespace detail

/// Candidates that tell what session affinity reads: which life each is, and how many requests it has in flight.
///
/// An optional member `bound_only_size()` is the number of endpoints that are drained for new sessions only. They stand
/// behind the others, at the indices from `size()` to `size() + bound_only_size()`. A policy that knows no sessions
/// looks at `size()` candidates, and so it chooses none of them.
template <class C>
concept SessionCandidates = IncarnatedCandidates<C> && CountedCandidates<C>;

/// Session affinity (sticky sessions): chooses the endpoint bound to the session that the request's `key` names. If
/// there is none, it chooses the endpoint bound to the session's group, and otherwise as `Fallback` does.
///
///     auto sessions = std::make_shared<pdroute::SessionTable>();
///     pdroute::SessionAffinityPolicy<pdroute::LeastRequestPolicy> policy{.sessions = sessions};
///
/// A binding does not decide if the bound endpoint is not among the candidates, because it has gone, is full or is
/// excluded by the request, or if it has `margin` more requests in flight than another candidate.
///
/// Groups: the sub-agents of one agent, say, are sessions of one group. The gateway binds the group as it binds a
/// session, `sessions->bind(*request.group, lease, now)`, and a new session of the group begins where the group is
/// bound. If the group's name is that of the parent session, sub-agents begin where the parent is. With a name of its
/// own, they begin together elsewhere. A session that has begun keeps its own endpoint.
///
/// Guarantees. A choice does not bind a session. The gateway binds it with `SessionTable::bind` once an engine has
/// accepted the request. So a failed dispatch leaves the session bound where it was, and the next success elsewhere
/// moves it. A binding names one life of an endpoint (an incarnation), not its id: an endpoint that has restarted has
/// lost its cache, and is chosen only if the fallback chooses it. If several requests of one session run before it is
/// bound, the fallback chooses for each of them, and the last binding wins. The fallback's state, such as its next
/// turn, does not change while a binding decides. An endpoint that is drained for new sessions only serves the sessions
/// that are bound to it, and no others; the group of a new session does not lead there.
///
/// Use it when engines keep something that a session shares: the KV cache of a conversation, an adapter, a state. Do
/// not use it when sessions share nothing that is kept.
///
/// Complexity: without a key, that of the fallback. With a key: one clock read per route, two cache lines of the table,
/// and O(n) to find the bound endpoint among n. The counts of the others are read only if the bound endpoint has more
/// than `margin` requests in flight. No allocation, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the manual policy of SGLang's router. It binds at the choice, and to a URL. The margin: the load guard of
/// soft affinity in NVIDIA Dynamo. Groups: its sub-agent groups.
template <class Fallback>
struct SessionAffinityPolicy {
  std::shared_ptr<const SessionTable> sessions = {};  ///< the bindings; `check` refuses a policy without a table
  [[no_unique_address]] Fallback fallback = {};       ///< chooses where no binding decides
  /// How many requests more than the least busy candidate the bound endpoint may have in flight. With more, this
  /// request goes elsewhere, and the session moves if the gateway binds it there. None: a session never leaves a busy
  /// endpoint until it is full. If the fallback reads weights, requests are compared in proportion to weight. The
  /// default of 32 is that of SGLang's router and of NVIDIA Dynamo: more than one long session causes, and as much as a
  /// batch of an engine takes in without waiting for long.
  std::optional<std::uint32_t> margin = 32;

  /// It knows sessions; see `EndpointSelector`.
  static constexpr bool reaches_bound_only = true;
  /// The load metric that the fallback reads.
  using Load = detail::LoadOf<Fallback>;
  /// The options of that load metric.
  [[nodiscard]] constexpr typename Load::Options load_options() const { return detail::load_options(fallback); }
  /// Makes the state of the fallback for one leg of one dispatcher.
  [[nodiscard]] constexpr auto make_state(std::uint64_t stream) const { return detail::make_state(fallback, stream); }
  /// Says whether the table is missing, or what is wrong with the table or the fallback.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (!sessions) return ConfigError{ConfigError::Rule::session_table_given, "none"};
    if (auto error = sessions->check()) return error;
    return detail::check_configuration(fallback);
  }

  /// Chooses the endpoint of the session, or that of its group, or as the fallback does.
  template <SessionCandidates Candidates, class Request, class Context>
    requires EndpointSelector<Fallback, Candidates, Request, Context>
  [[nodiscard]] auto select(const Candidates& candidates, const Request& request, Context& context) const
      -> std::optional<std::size_t> {
    if (const auto bound = bound_among(candidates, request, context)) return bound->place;
    return fallback.select(candidates, request, context);
  }
  /// Says that the endpoint serves the session or its group, or what the fallback says.
  void explain(const auto& candidates, const auto& request, auto& context, auto& trace) const {
    const auto bound = bound_among(candidates, request, context);
    if (bound) return trace.reason(bound->of_group ? "it serves the session's group" : "it serves the session");
    detail::explain_choice(fallback, candidates, request, context, trace);
  }

 private:
  struct Bound {
    std::size_t place;
    bool of_group;
  };

  /// The candidate that the request's session is bound to or else, for a session without one, that of its group.
  template <class Candidates, class Request, class Context>
  [[nodiscard]] std::optional<Bound> bound_among(const Candidates& candidates, const Request& request,
                                                 Context& context) const {
    const std::optional<Key> key = detail::key_of(request);
    const std::optional<Key> group = detail::group_of(request);
    if (!(key || group) || !sessions) return std::nullopt;
    const auto now = context.now();
    if (key) {
      const std::size_t all = candidates.size() + detail::bound_only_size(candidates);
      if (const auto place = serving(*key, candidates, all, now)) return Bound{*place, false};
    }
    if (group) {  // its sessions that begin are new, so not on endpoints that take bound sessions only
      if (const auto place = serving(*group, candidates, candidates.size(), now)) return Bound{*place, true};
    }
    return std::nullopt;
  }
  /// The one of the first `count` candidates that is bound to the key, unless it is too busy.
  template <class Candidates, class TimePoint>
  [[nodiscard]] std::optional<std::size_t> serving(Key key, const Candidates& candidates, std::size_t count,
                                                   TimePoint now) const {
    constexpr Role role = detail::role_of<std::remove_cvref_t<decltype(candidates[0])>>();
    if (count == 0) return std::nullopt;
    const std::optional<std::uint64_t> bound = sessions->find(key, role, now, detail::router_of(candidates[0]));
    if (!bound) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      if (candidates[i].incarnation() == *bound) return too_busy(candidates, i) ? std::nullopt : std::optional{i};
    }
    return std::nullopt;
  }
  /// Whether another candidate has fewer requests, in proportion to weight, than the `bound` one has beyond the margin.
  template <class Candidates>
  [[nodiscard]] bool too_busy(const Candidates& candidates, std::size_t bound) const {
    const auto requests = static_cast<std::uint64_t>(candidates[bound].in_flight());
    if (!margin || requests <= *margin) return false;
    const std::uint64_t weight = detail::weight_or_one(candidates[bound]);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const auto others = static_cast<std::uint64_t>(candidates[i].in_flight());
      if (i != bound && others * weight < (requests - *margin) * detail::weight_or_one(candidates[i])) return true;
    }
    return false;
  }
};

}  // namespace v0
}  // namespace pdroute
