// SPDX-License-Identifier: Apache-2.0
// Place: what a lease refers to. Listing: an endpoint as a list gave it, with the places for its leases. Listings: the
// present one and those before it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What a lease refers to. It says where the lease is counted, which slot it belongs to, which endpoint the caller
/// sees, in which period it began (see `Admission`), and whether KV is staged for it. Leases that are alike share a
/// place.
template <class Slot, class Endpoint>
struct Place {
  static constexpr std::uint8_t unmarked = 0xff;

  std::atomic<std::uint64_t>* count = nullptr;  ///< the slot's own word, or a word of marked leases
  Slot* slot = nullptr;                         ///< the life of the endpoint
  const Endpoint* endpoint = nullptr;           ///< as it was listed when the lease began
  std::uint8_t period = unmarked;               ///< the number of the period, if its endings decide something
  bool staged = false;                          ///< whether KV is staged that the decode endpoint has not fetched
  Place* other = nullptr;                       ///< the place of leases that differ in `staged` alone
};

/// One description of an endpoint, as a list gave it, with places for each period and for leases without a mark, both
/// with and without staged KV. Leases show the description that was in force when they began.
template <class Slot, class Endpoint>
struct Listing {
  static constexpr std::size_t periods = 8;
  /// So many descriptions are kept for leases that show them. A further one waits until none needs the earlier ones.
  static constexpr std::uint32_t max_kept = 64;
  /// After so many new descriptions there is a new snapshot, because the present one may show the earlier ones.
  static constexpr std::uint32_t max_shown = 16;

  explicit Listing(const Endpoint& given) : endpoint(given) {}
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;

  ~Listing() {
    while (older != nullptr) {  // and not by recursion, because the chain may be long
      Listing* const next = std::exchange(older->older, nullptr);
      delete std::exchange(older, next);
    }
  }

  /// Makes the places refer to their slot and words.
  void settle(Slot* slot, std::atomic<std::uint64_t>* own, std::atomic<std::uint64_t>* marked) noexcept {
    ordinary = {.count = own, .slot = slot, .endpoint = std::addressof(endpoint)};
    pair(ordinary, staged[periods]);
    for (std::size_t i = 0; i < periods; ++i) {
      of_period[i] = {
          .count = marked, .slot = slot, .endpoint = std::addressof(endpoint), .period = static_cast<std::uint8_t>(i)};
      pair(of_period[i], staged[i]);
    }
  }

  Endpoint endpoint;
  Listing* older = nullptr;   ///< the one before, as long as leases may show it
  std::uint64_t version = 0;  ///< of the members, since which it is in force
  std::uint32_t kept = 0;     ///< how many there are before it
  Place<Slot, Endpoint> ordinary;
  std::array<Place<Slot, Endpoint>, periods> of_period;

 private:
  static void pair(Place<Slot, Endpoint>& place, Place<Slot, Endpoint>& with_kv) noexcept {
    with_kv = place;
    with_kv.staged = true;
    with_kv.other = &place;
    place.other = &with_kv;
  }

  std::array<Place<Slot, Endpoint>, periods + 1> staged;  // the last one: without a mark
};

/// The descriptions of one life: the present one, and earlier ones that leases or snapshots may still show.
/// Thread safety: `present` may be called from many threads at once; the others need the pool's lock.
template <class Slot, class Endpoint>
class Listings {
 public:
  using Listing = detail::Listing<Slot, Endpoint>;

  explicit Listings(const Endpoint& endpoint) : present_(new Listing(endpoint)) {}
  Listings(const Listings&) = delete;
  Listings& operator=(const Listings&) = delete;
  ~Listings() { delete present(); }

  // Acquire: a thread that sees the listing sees the endpoint in it.
  [[nodiscard]] Listing* present() const noexcept { return present_.load(std::memory_order_acquire); }
  /// Takes another description, whose places are settled. Precondition: `may_add()`.
  void add(std::unique_ptr<Listing> next, std::uint64_t version) noexcept {
    next->version = version;
    next->older = present();
    next->kept = next->older->kept + 1;
    present_.store(next.release(), std::memory_order_release);  // see `present`
  }
  /// Whether another one may be taken: not too many are kept for running leases.
  [[nodiscard]] bool may_add() const noexcept { return present()->kept < Listing::max_kept; }
  /// The version of the members since which the description is in force, if there is an older one.
  [[nodiscard]] std::optional<std::uint64_t> replaced() const noexcept {
    return present()->older == nullptr ? std::nullopt : std::optional{present()->version};
  }
  /// Hands over all but the present one. Precondition: nothing shows them.
  [[nodiscard]] std::unique_ptr<Listing> take_older() noexcept {
    present()->kept = 0;
    return std::unique_ptr<Listing>(std::exchange(present()->older, nullptr));
  }

 private:
  std::atomic<Listing*> present_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
