// SPDX-License-Identifier: Apache-2.0
// How the gateway uses pdroute. Everything that asks the router, or tells it something, is in this header; the other
// files speak HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "completion.hpp"
#include "config.hpp"
#include "counters.hpp"

namespace gateway {

/// The router as the server sees it, whatever its policies.
class Routing {
 public:
  Routing() = default;
  Routing(const Routing&) = delete;
  Routing& operator=(const Routing&) = delete;
  virtual ~Routing() = default;

  /// Serves one completion, from the choice of its engines to its end. `loop` is the calling event loop's number.
  virtual boost::asio::awaitable<Ending> serve(std::size_t loop, Completion& completion) = 0;
  /// Of the engine with this id, in each of its roles.
  virtual void set_health(const std::string& id, pdroute::Health health) = 0;
  /// Whether some engine of the role is eligible.
  [[nodiscard]] virtual bool somebody_for(pdroute::Role role) const = 0;
  virtual void append_metrics(std::string& out) const = 0;
};

/// The routing that a configuration asks for, or the router's complaint about an endpoint. `start` differs between
/// gateways, so that those in front of the same engines do not choose in step.
[[nodiscard]] pdroute::Result<std::unique_ptr<Routing>, ConfigMistake> make_routing(const Config& config,
                                                                                    std::uint64_t start);

template <class Router>
class RoutingOf final : public Routing {
 public:
  RoutingOf(const Config& config, Router router) : retries_(config.retries), router_(std::move(router)) {
    for (unsigned i = 0; i < config.threads; ++i) dispatchers_.push_back(router_.dispatcher());
  }

  /// Another engine is tried as long as the client has seen nothing, and never one that this request has failed on:
  /// - A prefill that fails is repeated elsewhere; decode keeps its place.
  /// - A decode engine that could not be reached, or has turned the request away, has not touched the computed prompt,
  ///   so another one gets it.
  /// - A decode engine that fails later may have fetched the prompt, which can be fetched once. It is computed again: a
  ///   new route, both legs.
  ///
  /// Whatever ends this coroutine, the leases end with it: those that nobody completed or failed are cancelled.
  boost::asio::awaitable<Ending> serve(std::size_t loop, Completion& completion) override {
    typename Router::Route route{};
    pdroute::FailedEndpoints<> failed;
    for (unsigned retries = 0;; ++retries) {
      if (const auto nobody = choose(dispatchers_[loop], completion, failed, route))
        co_return co_await completion.refuse(*nobody);

      if (!completion.prompt_computed()) {
        const Leg prefill = co_await completion.prefill(*route.prefill);
        if (prefill == Leg::client_gone) co_return Ending::cancelled;
        if (prefill == Leg::failed) {
          route.prefill.fail(completion.failure(), failed);
        } else {
          route.first_token();
          if (prefill == Leg::rejected) co_return co_await completion.answer();
        }
      }
      if (completion.prompt_computed()) {
        const std::function<void(std::uint64_t)> tokens_came = [&route](std::uint64_t tokens) {
          route.decode.progress(tokens);
        };
        const Leg decode = co_await completion.decode(*route.decode, tokens_came);
        if (decode == Leg::client_gone) co_return Ending::cancelled;
        if (decode != Leg::failed) {
          route.decode.complete();
          co_return co_await completion.answer();
        }
        route.decode.fail(completion.failure(), failed);
      }
      if (completion.answer_begun() || retries == retries_) co_return co_await completion.give_up();
      Counters::add(completion.counters().retries, 1);
    }
  }

  void set_health(const std::string& id, pdroute::Health health) override { router_.set_health(id, health); }
  [[nodiscard]] bool somebody_for(pdroute::Role role) const override {
    for (const auto& status : router_.endpoints(role)) {
      if (status.eligible()) return true;
    }
    return false;
  }
  void append_metrics(std::string& out) const override { pdroute::append_prometheus(out, router_); }

 private:
  /// Fills the places of `route` that are empty and needed. Returns why there is nobody.
  static std::optional<pdroute::NoEndpoint> choose(typename Router::Dispatcher& dispatcher, Completion& completion,
                                                   const pdroute::FailedEndpoints<>& failed,
                                                   typename Router::Route& route) {
    const Prompt& prompt = completion.prompt();
    std::optional<pdroute::NoEndpoint> nobody;
    const auto keep = [&nobody](auto& place, auto chosen) {
      if (chosen) {
        place = std::move(*chosen);
      } else {
        nobody = chosen.error();
      }
    };
    const std::uint64_t before = bench::allocations_of_this_thread();
    if (completion.prompt_computed()) {
      keep(route.decode, dispatcher.decode(prompt, {.exclude = failed}));
    } else if (route.decode) {
      keep(route.prefill, dispatcher.prefill(prompt, {.exclude = failed}));
    } else {
      keep(route, dispatcher.route(prompt, {.prefill = {.exclude = failed}, .decode = {.exclude = failed}}));
    }
    Counters::add(completion.counters().choices, 1);
    Counters::add(completion.counters().choice_allocations, bench::allocations_of_this_thread() - before);
    return nobody;
  }

  const unsigned retries_;
  Router router_;
  std::vector<typename Router::Dispatcher> dispatchers_;  // one for each event loop
};

}  // namespace gateway
