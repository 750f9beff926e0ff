// SPDX-License-Identifier: Apache-2.0
// The endpoints of a replay from the operator's side: which are members now, and which are still alive.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/role.hpp>
#include <span>
#include <string>
#include <vector>

namespace replay {

/// One incarnation of an endpoint. All copies of a `ReplayEndpoint` share it, so it lives as long as any of them.
struct Life {
  std::size_t number = 0;               ///< of the endpoint within its role
  bool draining = false;                ///< gets no new requests
  std::uint64_t requests = 0;           ///< requests that wait or run there
  std::uint64_t tokens = 0;             ///< of these requests: prompts, and for decode also outputs
  std::chrono::nanoseconds free_at{0};  ///< for prefill: when its last prompt is computed

  void enter(std::uint64_t tokens_of_request) noexcept {
    ++requests;
    tokens += tokens_of_request;
  }
  void leave(std::uint64_t tokens_of_request) noexcept {
    --requests;
    tokens -= tokens_of_request;
  }
};

/// The endpoint type of the router.
struct ReplayEndpoint {
  std::string id;
  std::uint64_t incarnation = 0;
  std::shared_ptr<Life> life;
};

/// The endpoints of one role: p0, p1, ... or d0, d1, ...
class Fleet {
 public:
  /// All endpoints are members at first.
  Fleet(pdroute::Role role, std::size_t endpoints);

  [[nodiscard]] std::size_t size() const noexcept { return endpoints_; }
  [[nodiscard]] std::string id(std::size_t number) const;
  /// The members in order of their numbers, not of their registration.
  [[nodiscard]] std::span<const ReplayEndpoint> members() const noexcept { return members_; }

  /// Precondition: it is a member.
  void drain(std::size_t number);
  /// Precondition: it is a member.
  void remove(std::size_t number);
  /// Makes an endpoint a member again, as a new incarnation. If it is a member already, it is replaced.
  void restore(std::size_t number);

  /// The number of incarnations that are no longer members while a copy of them still exists.
  [[nodiscard]] std::size_t strays() const;

 private:
  [[nodiscard]] std::vector<ReplayEndpoint>::iterator place_of(std::size_t number);
  [[nodiscard]] ReplayEndpoint new_incarnation(std::size_t number);

  pdroute::Role role_;
  std::size_t endpoints_;
  std::vector<ReplayEndpoint> members_;
  std::vector<std::weak_ptr<Life>> lives_;
};

}  // namespace replay
