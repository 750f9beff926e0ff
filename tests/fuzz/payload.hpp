// SPDX-License-Identifier: Apache-2.0
// The endpoint type of the fuzzed router. A census knows which copies are alive, and notices when another one is used
// or destroyed.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace fuzz {

/// Knows the addresses of the living payloads. It never reads a payload, so it can be asked about a destroyed one.
class Census {
 public:
  void born(const void* who) {
    const std::lock_guard lock{mutex_};
    if (!alive_.insert(who).second) blame("constructed over a living payload");
  }
  void gone(const void* who) {
    const std::lock_guard lock{mutex_};
    if (alive_.erase(who) == 0) blame("destroyed a payload that is not alive");
  }
  void used(const void* who) {
    if (!lives(who)) blame_locked("used a payload that is not alive");
  }
  void blame_locked(const char* what) {
    const std::lock_guard lock{mutex_};
    blame(what);
  }
  [[nodiscard]] bool lives(const void* who) const {
    const std::lock_guard lock{mutex_};
    return alive_.contains(who);
  }
  [[nodiscard]] std::size_t alive() const {
    const std::lock_guard lock{mutex_};
    return alive_.size();
  }
  [[nodiscard]] std::string fault() const {
    const std::lock_guard lock{mutex_};
    return fault_;
  }

 private:
  void blame(const char* what) {
    if (fault_.empty()) fault_ = what;
  }

  mutable std::mutex mutex_;
  std::unordered_set<const void*> alive_;
  std::string fault_;
};

/// What the threads hold of one copy. A thread raises it right after a reservation and lowers it right before the lease
/// ends, so it never exceeds the library's own count. Each copy starts at zero.
struct Holding {
  std::atomic<std::uint64_t> leases{0};
  std::atomic<std::uint64_t> demand{0};

  Holding() = default;
  Holding(const Holding& /*other*/) {}
  Holding& operator=(const Holding&) = delete;
};

struct Payload {
  Census* census;
  std::string id;
  std::uint32_t incarnation = 0;
  std::uint32_t group = 0;
  std::uint64_t stamp = 0;  ///< the number of the caller's original that this is a copy of
  std::array<pdroute::Capacity, 2> capacity = {};
  mutable Holding held = {};

  Payload(Census& counts, std::string name) : census(&counts), id(std::move(name)) { census->born(this); }
  Payload(const Payload& other)
      : census((other.census->used(&other), other.census)),
        id(other.id),
        incarnation(other.incarnation),
        group(other.group),
        stamp(other.stamp),
        capacity(other.capacity) {
    census->born(this);
  }
  Payload& operator=(const Payload&) = delete;
  ~Payload() {
    if (held.leases != 0 || held.demand != 0) census->blame_locked("destroyed a payload under a lease");
    census->gone(this);
  }
};

}  // namespace fuzz

template <>
struct pdroute::EndpointTraits<fuzz::Payload> {
  static std::string_view id(const fuzz::Payload& payload) noexcept { return payload.id; }
  static std::uint32_t incarnation(const fuzz::Payload& payload) noexcept { return payload.incarnation; }
  static pdroute::Capacity capacity(const fuzz::Payload& payload, pdroute::Role role) noexcept {
    return payload.capacity[static_cast<std::size_t>(role)];
  }
};
