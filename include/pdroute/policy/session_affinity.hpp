// SPDX-License-Identifier: Apache-2.0
// SessionAffinityPolicy: sends a session to the endpoint that served it before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/policy/detail/explain_choice.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/request.hpp>
#include <pdroute/session/session_table.hpp>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// Session affinity (sticky sessions): chooses the endpoint bound to the session that the request's `key` names, and
/// otherwise the choice of `Fallback`.
///
/// The fallback chooses if the request has no key, if the session has no binding, or if the bound endpoint is not among
/// the candidates. It may be missing because it has gone, is full, or is excluded by the request.
///
///     auto sessions = std::make_shared<pdroute::SessionTable>();
///     pdroute::SessionAffinityPolicy<pdroute::LeastRequestPolicy> policy{.sessions = sessions};
///
/// Guarantees. A choice does not bind a session. The gateway binds it with `SessionTable::bind` once an engine has
/// accepted the request. So a failed dispatch leaves the session bound where it was, and the next success elsewhere
/// moves it. A binding names one life of an endpoint (an incarnation), not its id: an endpoint that has restarted has
/// lost its cache, and is chosen only if the fallback chooses it. If several requests of one session run before it is
/// bound, the fallback chooses for each of them, and the last binding wins. The fallback's state, such as its next
/// turn, does not change while a binding decides.
///
/// Use it when engines keep something that a session shares: the KV cache of a conversation, an adapter, a state. Do
/// not use it without a `Capacity` per endpoint: it sees no load, so a busy session stays on a busy endpoint until the
/// endpoint is full.
///
/// Complexity: without a key, that of the fallback. With a key: one clock read per route, two cache lines of the table,
/// and O(n) to find the bound endpoint among n. No allocation, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the manual policy of SGLang's router. It binds at the choice, and to a URL.
template <class Fallback>
struct SessionAffinityPolicy {
  std::shared_ptr<const SessionTable> sessions = {};  ///< the bindings; `check` refuses a policy without a table
  [[no_unique_address]] Fallback fallback = {};       ///< chooses where no binding decides

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

  /// Chooses the bound endpoint if it is among the candidates, otherwise as the fallback does.
  template <IncarnatedCandidates Candidates, class Request, class Context>
    requires EndpointSelector<Fallback, Candidates, Request, Context>
  [[nodiscard]] auto select(const Candidates& candidates, const Request& request, Context& context) const
      -> std::optional<std::size_t> {
    if (const auto bound = bound_among(candidates, request, context)) return bound;
    return fallback.select(candidates, request, context);
  }
  /// Says that the endpoint serves the session, or what the fallback says.
  void explain(const auto& candidates, const auto& request, auto& context, auto& trace) const {
    if (bound_among(candidates, request, context)) return trace.reason("it serves the session");
    detail::explain_choice(fallback, candidates, request, context, trace);
  }

 private:
  /// The candidate that the request's session is bound to, if there is one.
  template <class Candidates, class Request, class Context>
  [[nodiscard]] std::optional<std::size_t> bound_among(const Candidates& candidates, const Request& request,
                                                       Context& context) const {
    const std::optional<Key> key = detail::key_of(request);
    if (!key || !sessions) return std::nullopt;
    constexpr Role role = detail::role_of<std::remove_cvref_t<decltype(candidates[0])>>();
    const std::optional<std::uint64_t> bound = sessions->find(*key, role, context.now());
    if (!bound) return std::nullopt;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].incarnation() == *bound) return i;
    }
    return std::nullopt;
  }
};

}  // namespace v0
}  // namespace pdroute
