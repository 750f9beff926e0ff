// SPDX-License-Identifier: Apache-2.0
// SharedDispatcher: a router's own dispatcher, which callers without one borrow under a lock.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A dispatcher that is made at first use. It also aligns the rotations of all dispatchers to the present candidates.
/// Thread safety: all members may be called from many threads at once.
template <class Dispatcher>
class SharedDispatcher {
 public:
  using Core = typename Dispatcher::Core;

  explicit SharedDispatcher(std::shared_ptr<Core> core) : core_(std::move(core)), generation_(generation()) {}

  // Old snapshots are dropped only after the lock is free, because dropping them may destroy endpoints.

  /// Returns `use(dispatcher)`, with both legs up to date.
  template <class Use>
  auto borrow(const Use& use) {
    typename Dispatcher::OldSnapshots old;
    const std::lock_guard lock{mutex_};
    if (!dispatcher_) dispatcher_.emplace(core_);
    old = dispatcher_->exchange();
    return use(*dispatcher_);
  }

  /// Follows each call that may have changed the candidates. If they did change, rotations are aligned anew. The
  /// dispatcher lets go of removed endpoints, also if no request comes.
  void follow() {
    typename Dispatcher::OldSnapshots old;
    const std::lock_guard lock{mutex_};
    align();
    if (dispatcher_) old = dispatcher_->exchange();
  }
  /// Follows each call that has changed the state of members, and removed none. The snapshot is left to the next
  /// request, so that many changes in a row cost one building of it.
  void follow_states() {
    const std::lock_guard lock{mutex_};
    align();
  }

 private:
  void align() noexcept {
    const std::uint64_t now = generation();
    if (now != std::exchange(generation_, now)) core_->tickets.candidates_changed();
  }
  /// A number that changes whenever the candidates of either role do.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return core_->prefill.generation() + core_->decode.generation();
  }

  std::shared_ptr<Core> core_;
  std::mutex mutex_;                      // guards what follows
  std::optional<Dispatcher> dispatcher_;  // made at first use
  std::uint64_t generation_;              // of the candidates that the rotation is aligned to
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
