// SPDX-License-Identifier: Apache-2.0
// The life of a slot under every interleaving of three threads: reserved, released, pinned, unpinned, closed, counted.
#include "scheduled_atomic.hpp"

#include <pdroute/pool/detail/slot.hpp>

namespace {

using model::check;
using model::Watched;

struct Engine {
  int id = 0;
  Watched memory{};
};
using Slot = pdroute::detail::Slot<pdroute::Role::prefill, Engine>;

/// Makes a slot on the heap with the membership's pin and `more_pins`. It destroys itself, as the pool's slots do.
Slot* new_slot(int more_pins) {
  auto* slot = new Slot(Engine{}, 1, {});
  for (int i = 0; i < more_pins; ++i) slot->pin();
  return slot;
}
/// The place of a new lease; null if there is none.
Slot::Place* reserve(Slot& slot) {
  Slot::Held held{};
  return slot.try_reserve(0, held).place;
}
void use(const Slot& slot) {
  slot.endpoint().memory.read();
}
void complete(Slot::Place* place) {
  Slot::Held held{};
  Slot::complete(place, held);
}

/// Two threads choose from a snapshot each and keep their lease longer than the snapshot, while the endpoint is
/// removed.
class RemovedWhileReserving {
 public:
  void first() { request(); }
  void second() {
    replacement_.write();
    slot_->close();
    closed_ = model::last_change();
    Slot::end_pin(slot_);
  }
  void third() { request(); }
  void finish() {}

 private:
  void request() {
    if (Slot::Place* const place = reserve(*slot_)) {
      check(closed_ == 0 || model::last_change() < closed_, "a lease begins after close");
      Slot::end_pin(slot_);
      use(*slot_);
      complete(place);
    } else {
      replacement_.read();  // a refused thread sees the endpoint's replacement
      Slot::end_pin(slot_);
    }
  }

  Slot* slot_ = new_slot(2);
  Watched replacement_;
  std::size_t closed_ = 0;
};

/// A lease, the membership and a snapshot let the slot go. Any of them may be the last.
class LastOfThree {
 public:
  LastOfThree() { check(place_ != nullptr, "a new slot takes a lease"); }
  void first() {
    use(*slot_);
    complete(place_);
  }
  void second() {
    slot_->close();
    Slot::end_pin(slot_);
  }
  void third() {
    static_cast<void>(slot_->in_flight());
    use(*slot_);
    Slot::end_pin(slot_);
  }
  void finish() {}

 private:
  Slot* slot_ = new_slot(1);
  Slot::Place* place_ = reserve(*slot_);
};

/// Two threads want the only place, while the third lets a snapshot go and closes the slot.
class OnlyOnePlace {
 public:
  OnlyOnePlace() { slot_->set_capacity({.requests = 1}); }
  void first() { request(); }
  void second() {
    Slot::end_pin(slot_);
    slot_->close();
  }
  void third() { request(); }
  void after_each_step() { check(slot_->in_flight() <= 1, "in flight above the limit"); }
  void finish() {
    check(slot_->in_flight() == 0, "in flight without leases");
    check(slot_->ended() == reserved_, "ended differs from the leases there were");
    Slot::end_pin(slot_);
  }

 private:
  void request() {
    Slot::Place* const place = reserve(*slot_);
    if (place == nullptr) return;
    ++reserved_;
    complete(place);
  }

  Slot* slot_ = new_slot(1);
  std::uint64_t reserved_ = 0;
};

/// A thread that waits until a draining endpoint is empty sees the work of the threads that held leases.
class DrainedIsDrained {
 public:
  DrainedIsDrained() { check(place_ != nullptr, "a new slot takes a lease"); }
  void first() { work(0, place_); }
  void second() {
    slot_->close();
    closed_ = model::last_change();
    if (slot_->in_flight() != 0) return;
    for (std::size_t i = 0; i < 2; ++i) work_[i].read();
    check(slot_->in_flight() == 0, "a lease begins after the slot was closed and empty");
  }
  void third() {
    Slot::Place* const place = reserve(*slot_);
    if (place == nullptr) return;
    check(closed_ == 0 || model::last_change() < closed_, "a lease begins after close");
    work(1, place);
  }
  void finish() { Slot::end_pin(slot_); }

 private:
  void work(std::size_t of, Slot::Place* place) {
    work_[of].write();
    complete(place);
  }

  Slot* slot_ = new_slot(0);
  Slot::Place* place_ = reserve(*slot_);
  std::array<Watched, 2> work_;
  std::size_t closed_ = 0;
};

/// The counts are read while leases begin and end. So many leases have ended before that the field of `few_bits` (see
/// CMakeLists.txt) comes to its other half.
class CountsWhileLeasesEnd {
 public:
  CountsWhileLeasesEnd() {
    for (std::uint64_t i = 0; i < before; ++i) complete(reserve(*slot_));
    running_ = reserve(*slot_);
    check(running_ != nullptr, "a new slot takes a lease");
  }
  void first() { complete(reserve(*slot_)); }
  void second() { complete(running_); }
  void third() {
    const std::uint64_t ended = slot_->ended();
    check(before <= ended && ended <= before + 2, "ended differs from the leases there were");
    check(slot_->in_flight() <= 2, "in flight above the leases there were");
    const std::uint64_t later = slot_->ended();
    check(ended <= later && later <= before + 2, "ended went back, or differs from the leases there were");
  }
  void finish() {
    check(slot_->in_flight() == 0, "in flight without leases");
    check(slot_->ended() == before + 2, "ended differs from the leases there were");
    Slot::end_pin(slot_);
  }

 private:
  static constexpr std::uint64_t before = 6;

  Slot* slot_ = new_slot(0);
  Slot::Place* running_ = nullptr;
};

/// The limit is lowered to the number in flight while a thread reserves and another one reads the counts. The gate
/// has a limit of its own, so this is the count alone.
class LimitIsLowered {
 public:
  LimitIsLowered() { check(reserve(), "a new slot takes a lease"); }
  void first() {
    if (!reserve()) return;
    check(lowered_ == 0 || model::last_change() < lowered_, "a lease begins above the lowered limit");
    check(!count_.release(), "never destroyed");
  }
  void second() {
    count_.set_limit(1);
    lowered_ = model::last_change();
  }
  void third() { check(count_.ended() <= 1, "ended differs from the leases there were"); }
  void finish() { check(!count_.release() && count_.in_flight() == 0, "in flight without leases"); }

 private:
  using Count = pdroute::detail::SlotCount;

  bool reserve() { return count_.try_reserve() == Count::Attempt::reserved; }

  Count count_;
  std::size_t lowered_ = 0;
};

}  // namespace

int main() {
  model::explore<LastOfThree>("a lease, the membership and a snapshot let go", 30);
  model::explore<OnlyOnePlace>("two want the only place while the slot is closed", 1500);
  model::explore<DrainedIsDrained>("one waits for a closed slot to be empty", 60);
  model::explore<CountsWhileLeasesEnd>("the counts are read while leases begin and end", 500);
  model::explore<LimitIsLowered>("the limit is lowered while one reserves", 10);
  model::explore<RemovedWhileReserving>("two reserve while the endpoint is removed", 5000);
}
