// SPDX-License-Identifier: Apache-2.0
// SlotGate: all that may refuse a request on an endpoint with room: failures, push-back, probes and slow start.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/pool/detail/admission.hpp>
#include <pdroute/pool/detail/request_share.hpp>
#include <pdroute/pool/detail/slot_count.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The admission and the share of slow start of one slot, and how the slot's count follows them: while a request has to
/// ask here, the count's own limit is zero, so that every reservation is refused there first.
/// Thread safety: all members may be called from many threads at once; lock-free. `admit`, `set_limit` and `set_share`
/// need the pool's lock.
class SlotGate {
 public:
  explicit SlotGate(std::uint32_t row_limit) noexcept : admission_(row_limit) {}

  [[nodiscard]] const Admission& admission() const noexcept { return admission_; }
  /// For endings, whose results say whether `follow` is due.
  [[nodiscard]] Admission& admission() noexcept { return admission_; }
  /// The limit on requests in flight.
  [[nodiscard]] std::uint32_t limit() const noexcept { return admission_.limit(); }
  void set_limit(SlotCount& count, std::uint32_t limit) noexcept {
    admission_.set_limit(limit);
    follow(count);
    count.renew();  // also for reservations that the admission let in
  }
  /// Changes the admission by `change(admission)`.
  template <class Change>
  void admit(SlotCount& count, const Change& change) noexcept {
    change(admission_);
    follow(count);
  }
  /// Slow start: only this share of the requests that ask get in, unless there is no other endpoint. Precondition:
  /// 0 < share <= 1.
  void set_share(SlotCount& count, double share) noexcept {
    share_.set(share);
    follow(count);
  }
  /// The share of the requests that get in: 1, unless in slow start.
  [[nodiscard]] double share() const noexcept { return share_.share(); }

  /// Whether failures, push-back or slow start keep new leases out for now, although there may be room. `refused`: they
  /// have done so for this request, and let in the next one perhaps.
  [[nodiscard]] bool holds_back(const SlotCount& count, bool refused) const noexcept {
    if (count.limit() > 0) [[likely]]
      return false;
    const AdmissionState gate = admission_.state();
    return !gate.refuses() && (refused || !gate.admits() || (in_slow_start(gate) && !share_.passes()));
  }
  /// Whether there is room, unless the endpoint is held back.
  [[nodiscard]] bool has_room(const SlotCount& count) const noexcept {
    // Full slots whose gate is open are passed over by reading one cache line.
    if (const std::uint32_t of_count = count.limit(); of_count != 0) return count.in_flight() < of_count;
    return count.in_flight() < admission_.limit() && !admission_.state().refuses();
  }
  /// A request has passed the endpoint over, because it is held back.
  void passed_over() noexcept {
    admission_.passed_over();
    if (share_.limited()) share_.passed_over();
  }

  struct Answer {
    SlotCount::Attempt attempt = SlotCount::Attempt::full;
    std::optional<std::uint8_t> period = {};  ///< the mark of the lease
  };
  /// A reservation that the count has refused asks. `anyway`: there is no other endpoint.
  [[nodiscard]] Answer ask(SlotCount& count, bool anyway) noexcept {
    if (const AdmissionState gate = admission_.state();
        !anyway && in_slow_start(gate) && gate.admits() && !share_.ask())
      return {};
    const Admission::Permit permit = admission_.ask(anyway);
    if (!permit.granted) return {};
    if (!permit.period)  // the gate is open; if it closes meanwhile, the slot is full
      return {count.try_reserve([this] { return admission_.limit_of_count(); }), {}};
    const SlotCount::Attempt attempt = count.try_reserve([this] { return admission_.limit(); });
    if (attempt != SlotCount::Attempt::reserved) admission_.withdraw(*permit.period);
    return {attempt, permit.period};
  }
  /// The reservation is taken back; its lease is no longer counted.
  void undone(std::optional<std::uint8_t> period) noexcept {
    if (share_.limited()) share_.give_back();
    if (period) admission_.withdraw(*period);
  }
  /// Makes the limit of the count follow, also if several threads change the admission at once.
  void follow(SlotCount& count) noexcept {
    std::uint32_t limit = 0;
    do {
      limit = limit_of_count();
      count.set_limit(limit);
    } while (limit != limit_of_count());
    if (share_.limited()) count.renew();  // also for reservations that have read the limit of an open gate
  }

 private:
  /// Whether requests have to ask for their share. Probes do not: they are few anyway.
  [[nodiscard]] bool in_slow_start(const AdmissionState& gate) const noexcept {
    return share_.limited() && gate.what() != AdmissionState::Mode::probing;
  }
  [[nodiscard]] std::uint32_t limit_of_count() const noexcept {
    return share_.limited() ? 0 : admission_.limit_of_count();
  }

  Admission admission_;
  RequestShare share_;  // of slow start
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
