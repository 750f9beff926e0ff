// SPDX-License-Identifier: Apache-2.0
// SessionAffinityPolicy: a session meets the endpoint that has served it before.
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

/// Chooses the endpoint that is bound to the session that the request's `key` names, and otherwise as `Fallback` does:
/// if there is no key or no binding, and if the bound endpoint is not among the candidates, because it has gone, is
/// full, or the request excludes it.
///
///     auto sessions = std::make_shared<pdroute::SessionTable>();
///     pdroute::SessionAffinityPolicy<pdroute::LeastRequestPolicy> policy{.sessions = sessions};
///
/// Guarantees. A choice binds nobody: the gateway does, by `SessionTable::bind`, once an engine has accepted the
/// request. So a failed dispatch leaves the session where it was, and its next success elsewhere takes the session
/// along. A life is meant, not a name: an endpoint that has restarted has lost its cache, and is chosen only if the
/// fallback says so. Requests of one session that are under way at once before it is bound are each chosen by the
/// fallback; the last one bound wins.
///
/// What the fallback remembers, such as whose turn it is, does not move while a binding decides.
///
/// Use it when engines keep what a session shares: the KV cache of a conversation, an adapter, a state. It sees no
/// load: a busy session stays on a busy endpoint until that is full, so give endpoints a `Capacity`.
///
/// Cost: without a key the fallback's alone. With one: one clock read per route, two cache lines of the table, and O(n)
/// to find the bound endpoint among n. No allocation, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
template <class Fallback>
struct SessionAffinityPolicy {
  std::shared_ptr<const SessionTable> sessions = {};
  [[no_unique_address]] Fallback fallback = {};

  using Load = detail::LoadOf<Fallback>;
  [[nodiscard]] constexpr typename Load::Options load_options() const { return detail::load_options(fallback); }
  [[nodiscard]] constexpr auto make_state(std::uint64_t stream) const { return detail::make_state(fallback, stream); }
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (!sessions) return ConfigError{ConfigError::Rule::session_table_given, "none"};
    if (auto error = sessions->check()) return error;
    return detail::check_configuration(fallback);
  }

  template <IncarnatedCandidates Candidates, class Request, class Context>
    requires EndpointSelector<Fallback, Candidates, Request, Context>
  [[nodiscard]] auto select(const Candidates& candidates, const Request& request, Context& context) const
      -> std::optional<std::size_t> {
    if (const auto bound = bound_among(candidates, request, context)) return bound;
    return fallback.select(candidates, request, context);
  }
  void explain(const auto& candidates, const auto& request, auto& context, auto& trace) const {
    if (bound_among(candidates, request, context)) return trace.reason("it serves the session");
    detail::explain_choice(fallback, candidates, request, context, trace);
  }

 private:
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
