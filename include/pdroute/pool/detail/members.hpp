// SPDX-License-Identifier: Apache-2.0
// All members of a role, and what follows from them together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/detail/outlier_detector.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// In registration order. Who changes members changes a copy, which then takes their place or is dropped.
/// Guarded by the pool's lock.
template <class Slot>
class Members {
 public:
  using Endpoint = typename Slot::Endpoint;
  using Member = detail::Member<Slot>;

  explicit Members(const OutlierDetection& ejection) : ejection_(ejection) {}

  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] const Member& operator[](std::size_t i) const noexcept { return all_[i]; }
  [[nodiscard]] auto begin() const noexcept { return all_.begin(); }
  [[nodiscard]] auto end() const noexcept { return all_.end(); }
  void clear() noexcept { all_.clear(); }
  void add(const Member& member) { all_.push_back(member); }
  void remove(const Member* member) { all_.erase(all_.begin() + (member - all_.data())); }
  /// Null if there is no such id.
  [[nodiscard]] Member* find(EndpointIdView<Endpoint> id) noexcept {
    return const_cast<Member*>(std::as_const(*this).find(id));
  }
  [[nodiscard]] const Member* find(EndpointIdView<Endpoint> id) const noexcept {
    const auto found = std::find_if(begin(), end(), [id](const Member& member) { return member.slot->id() == id; });
    return found == end() ? nullptr : &*found;
  }

  /// Whether nobody is left out for failing, because too few would be left.
  [[nodiscard]] bool panic() const noexcept { return ejection_.on() && ejection_.panics(serving_in_full(), size()); }

  /// One step of time for those who keep failing. Then `bound_probes` is due.
  void advance(std::int64_t now) {
    if (ejection_.on()) OutlierDetector<Member>(ejection_, all_, now).advance();
  }
  /// Gives those who are out or probed the limits that follow from who else is there: probes are bounded only while
  /// others serve in their place.
  void bound_probes() const noexcept {
    if (!ejection_.on()) return;
    const bool bounded = serving_in_full() > 0 && !panic();
    for (const Member& member : all_) {
      if (member.ejection.phase == EjectionPhase::none) continue;
      if (bounded) {
        member.slot->set_capacity_of_probes(member.capacity);
      } else {
        member.slot->set_capacity(member.capacity);
      }
    }
  }

  /// The slots of the eligible; and, counted in `left_out`, why the others are not.
  [[nodiscard]] std::vector<Slot*> eligible(NoEndpoint& left_out) const {
    std::vector<Slot*> slots;
    slots.reserve(size());
    const bool nobody_for_failing = panic();
    for (const Member& member : all_) {
      if (const Reason reason = member.ruled_out(nobody_for_failing)) {
        ++(left_out.*reason);
      } else {
        slots.push_back(member.slot);
      }
    }
    return slots;
  }

 private:
  [[nodiscard]] std::size_t serving_in_full() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(begin(), end(), [](const Member& member) { return member.serves_in_full(); }));
  }

  OutlierDetection ejection_;
  std::vector<Member> all_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
