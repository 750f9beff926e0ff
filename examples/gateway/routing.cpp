// SPDX-License-Identifier: Apache-2.0
#include "routing.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <utility>

#include "allocations.hpp"

namespace gateway {

namespace {

using Clock = std::chrono::steady_clock;  // the router uses it, too

/// Chooses an endpoint for each leg of `route` that needs one. Returns the reason if there is no endpoint.
std::optional<pdroute::NoEndpoint> choose(Router::Dispatcher& dispatcher, Completion& completion,
                                          const pdroute::FailedEndpoints<>& failed, Router::Route& route) {
  const Prompt& prompt = completion.prompt();
  std::optional<pdroute::NoEndpoint> reason;
  const auto keep = [&reason](auto& place, auto chosen) {
    if (chosen) {
      place = std::move(*chosen);
    } else {
      reason = chosen.error();
    }
  };
  const std::uint64_t before = bench::allocations_of_this_thread();
  if (completion.prompt_computed()) {
    keep(route.decode, dispatcher.decode(prompt, {.exclude = failed}));
  } else if (route.decode) {
    keep(route.prefill, dispatcher.prefill(prompt, {.exclude = failed}));
  } else {
    keep(route, dispatcher.route(prompt, {.exclude = failed}));
  }
  Counters::add(completion.counters().choices, 1);
  Counters::add(completion.counters().choice_allocations, bench::allocations_of_this_thread() - before);
  return reason;
}

}  // namespace

pdroute::Result<Routing, ConfigMistake> Routing::create(const Config& config, std::uint64_t start) {
  const auto prefill = config.engines(pdroute::Role::prefill);
  const auto decode = config.engines(pdroute::Role::decode);
  // Each gateway in front of the same engines has a seed of its own, so that they do not choose in step.
  const examples::PolicySettings settings{.seed = start};
  auto router = Router::create({.prefill = prefill,
                                .decode = decode,
                                .prefill_policy = examples::policy_named(config.prefill_policy)->make(settings),
                                .decode_policy = examples::policy_named(config.decode_policy)->make(settings),
                                .seed = start});
  if (router) return Routing(config, std::move(*router));
  const pdroute::ConfigError& error = router.error();
  const std::size_t line = error.endpoint ? config.line_of(error.endpoint->role, error.endpoint->index) : 0;
  return ConfigMistake{line, std::string(to_string(error.rule)), error.value};
}

Routing::Routing(const Config& config, Router router) : retries_(config.retries), router_(std::move(router)) {
  for (unsigned i = 0; i < config.threads; ++i) dispatchers_.push_back(router_.dispatcher());
}

boost::asio::awaitable<Ending> Routing::serve(std::size_t loop, Completion& completion) {
  Router::Route route{};
  pdroute::FailedEndpoints<> failed;
  for (unsigned retries = 0;; ++retries) {
    if (const auto reason = choose(dispatchers_[loop], completion, failed, route)) {
      route = {};  // no lease is held while the client reads the reply
      if (failed.size() > 0 && !reason->overloaded()) co_return co_await completion.give_up();
      co_return co_await completion.refuse(*reason);
    }

    if (!completion.prompt_computed()) {
      const Leg prefill = co_await completion.prefill(*route.prefill);
      if (prefill == Leg::client_gone) co_return Ending::cancelled;
      if (prefill == Leg::failed) {
        route.prefill.fail(completion.failure(), failed);
      } else if (prefill == Leg::rejected) {
        route.prefill.reject();
        route = {};  // the decode engine was not asked
        co_return co_await completion.answer();
      } else {
        route.first_token(Clock::now());
      }
    }
    if (completion.prompt_computed()) {
      const std::function<void(std::uint64_t)> tokens_came = [&route](std::uint64_t tokens) {
        route.decode.progress(tokens);
      };
      const Leg decode = co_await completion.decode(*route.decode, tokens_came);
      if (decode == Leg::client_gone) co_return Ending::cancelled;
      if (decode != Leg::failed) {
        if (decode == Leg::rejected) {
          route.decode.reject();
        } else {
          route.decode.complete(Clock::now());
        }
        co_return co_await completion.answer();
      }
      route.decode.fail(completion.failure(), failed);
    }
    if (completion.answer_begun() || retries == retries_) {
      route = {};
      co_return co_await completion.give_up();
    }
    Counters::add(completion.counters().retries, 1);
  }
}

bool Routing::has_eligible(pdroute::Role role) const {
  for (const auto& status : router_.endpoints(role)) {
    if (status.eligible()) return true;
  }
  return false;
}

}  // namespace gateway
