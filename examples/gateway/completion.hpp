// SPDX-License-Identifier: Apache-2.0
// One completion request over HTTP: its requests to the engines, and the reply to the client.
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

/// The result of one leg.
enum class Leg : std::uint8_t {
  done,         ///< the engine did its work
  rejected,     ///< the engine says that the request is wrong
  failed,       ///< the engine failed, see `Completion::failure`
  client_gone,  ///< the client no longer waits for the answer
};

/// One completion. The code that chooses the engines calls `prefill` until the prompt is computed, then `decode`, then
/// `answer`. At any point it may call `refuse` or `give_up` instead. If the object is destroyed in between, the
/// connection to the engine closes.
class Completion {
 public:
  Completion(EventLoop& loop, ClientConnection& client, CompletionRequest request, std::string id);

  [[nodiscard]] const Prompt& prompt() const noexcept { return prompt_; }
  [[nodiscard]] Counters& counters() const noexcept { return loop_.counters; }

  boost::asio::awaitable<Leg> prefill(const Engine& engine);
  /// Whether the prompt is computed and still usable: no failed decode engine may have fetched it.
  [[nodiscard]] bool prompt_computed() const noexcept { return transfer_.has_value(); }
  /// Passes a stream on to the client while it arrives. `tokens_came` is called with the number of new tokens, many
  /// times.
  boost::asio::awaitable<Leg> decode(const Engine& engine, const std::function<void(std::uint64_t)>& tokens_came);

  /// The kind of failure of the leg that has failed.
  [[nodiscard]] pdroute::FailureKind failure() const noexcept { return failure_; }
  /// Whether the client has received the first bytes. Then it is too late for another engine.
  [[nodiscard]] bool answer_begun() const noexcept { return answer_begun_; }

  /// Sends the reply of the last engine, unless the client has received it as a stream.
  boost::asio::awaitable<Ending> answer();
  boost::asio::awaitable<Ending> refuse(const pdroute::NoEndpoint& reason);
  /// Tells the client which engine failed last: in an error reply, or at the end of the stream that has begun.
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
  std::optional<std::string> transfer_;  // parameters with which decode fetches the computed prompt
  std::optional<Reply> reply_;           // the last engine's, for the client
  bool answer_begun_ = false;
  pdroute::FailureKind failure_{};
  std::string what_failed_;
};

}  // namespace gateway
