// SPDX-License-Identifier: Apache-2.0
// The endpoints of a replay as their operator sees them: who is a member now, and who is still alive.
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

/// One incarnation of an endpoint, shared by all copies of the object below: it lives as long as the longest of them.
struct Life {
  std::size_t number = 0;               ///< of the endpoint within its role
  bool draining = false;                ///< gets no new requests
  std::uint64_t requests = 0;           ///< that wait or run there
  std::uint64_t tokens = 0;             ///< of these: prompts for prefill, prompts and outputs for decode
  std::chrono::nanoseconds free_at{0};  ///< for prefill: when the last of its prompts has been computed

  void enter(std::uint64_t tokens_of_request) noexcept {
    ++requests;
    tokens += tokens_of_request;
  }
  void leave(std::uint64_t tokens_of_request) noexcept {
    --requests;
    tokens -= tokens_of_request;
  }
};

/// What the router is given.
struct ReplayEndpoint {
  std::string id;
  std::uint64_t incarnation = 0;
  std::shared_ptr<Life> life;
};

/// The endpoints of one role: p0, p1, ... or d0, d1, ...
class Fleet {
 public:
  /// All of them are members at first.
  Fleet(pdroute::Role role, std::size_t endpoints);

  [[nodiscard]] std::size_t size() const noexcept { return endpoints_; }
  [[nodiscard]] std::string id(std::size_t number) const;
  /// In order of their numbers, not of their registration.
  [[nodiscard]] std::span<const ReplayEndpoint> members() const noexcept { return members_; }

  /// Precondition: it is a member.
  void drain(std::size_t number);
  /// Precondition: it is a member.
  void remove(std::size_t number);
  /// Makes it a member again, as a new incarnation; one that is a member already is replaced.
  void restore(std::size_t number);

  /// Incarnations that are members no more and of which somebody still holds a copy.
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
