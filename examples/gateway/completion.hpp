// SPDX-License-Identifier: Apache-2.0
// One completion request over HTTP: what is asked of the engines, and what the client gets.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

#include "client_connection.hpp"
#include "completion_request.hpp"
#include "counters.hpp"
#include "engine.hpp"
#include "engine_call.hpp"
#include "event_loop.hpp"
#include "reply.hpp"

namespace gateway {

/// What came of one leg.
enum class Leg : std::uint8_t {
  done,         ///< the engine did its work
  rejected,     ///< the engine finds the request at fault
  failed,       ///< see `Completion::failure`
  client_gone,  ///< nobody waits for the answer
};

/// Whoever chooses the engines calls `prefill` until the prompt is computed, then `decode`, then `answer`; instead of
/// going on, `refuse` or `give_up`. Destroyed in between, it closes the connection to the engine.
class Completion {
 public:
  Completion(EventLoop& loop, ClientConnection& client, CompletionRequest request, std::string id);

  [[nodiscard]] const Prompt& prompt() const noexcept { return prompt_; }
  [[nodiscard]] Counters& counters() const noexcept { return loop_.counters; }

  boost::asio::awaitable<Leg> prefill(const Engine& engine);
  /// Whether a prefill has computed the prompt, and no decode engine may have fetched it in vain.
  [[nodiscard]] bool prompt_computed() const noexcept { return transfer_.has_value(); }
  /// A stream is passed on to the client meanwhile; `tokens_came` is told how many there were, again and again.
  boost::asio::awaitable<Leg> decode(const Engine& engine, const std::function<void(std::uint64_t)>& tokens_came);

  /// Of the leg that has failed.
  [[nodiscard]] pdroute::FailureKind failure() const noexcept { return failure_; }
  /// Whether the client has got the first bytes: too late for another engine.
  [[nodiscard]] bool answer_begun() const noexcept { return answer_begun_; }

  /// Sends what the last engine said, unless the client has it already.
  boost::asio::awaitable<Ending> answer();
  boost::asio::awaitable<Ending> refuse(const pdroute::NoEndpoint& reason);
  /// Says which engine failed last: in a reply of its own, or at the end of the stream that has begun.
  boost::asio::awaitable<Ending> give_up();

 private:
  boost::asio::awaitable<Leg> relay(EngineCall& call, const std::function<void(std::uint64_t)>& tokens_came);
  boost::asio::awaitable<void> write_piece(std::string_view head, std::string_view piece, bool last);
  Leg failed(pdroute::Role role, const Engine& engine, const EngineCall& call);
  boost::asio::awaitable<Ending> say(Ending ending, const Reply& reply);
  [[nodiscard]] EngineCall::Question question(std::string_view tail) const;

  EventLoop& loop_;
  ClientConnection& client_;
  CompletionRequest request_;
  std::string id_;
  Prompt prompt_;
  std::optional<std::string> transfer_;  // of the computed prompt, to be fetched by decode
  std::optional<Reply> reply_;           // of the last engine, for the client
  bool answer_begun_ = false;
  pdroute::FailureKind failure_{};
  std::string what_failed_;
};

}  // namespace gateway
