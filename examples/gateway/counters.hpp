// SPDX-License-Identifier: Apache-2.0
// What the gateway counts beside the router: how requests end.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gateway {

enum class Ending : std::uint8_t {
  answered,      ///< with the engines' answer, to its last byte
  client_error,  ///< the request was at fault: our 4xx, or the engine's
  refused,       ///< nobody could be chosen: 429 or 503
  engine_error,  ///< engines failed, and it was too late or too often to try another: 502, 504 or a stream cut off
  cancelled,     ///< the client went away, or the gateway ended
};
inline constexpr std::array<std::string_view, 5> ending_names{"answered", "client_error", "refused", "engine_error",
                                                              "cancelled"};

/// One loop's counts, written by its thread, read by any.
struct alignas(64) Counters {  // neighbours belong to other threads
  std::atomic<std::uint64_t> started{0};
  std::array<std::atomic<std::uint64_t>, ending_names.size()> ended{};
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> choices{0};
  std::atomic<std::uint64_t> choice_allocations{0};

  /// Requests that have not ended.
  [[nodiscard]] std::uint64_t running() const noexcept {
    std::uint64_t all = 0;
    for (const auto& count : ended) all += count.load(std::memory_order_relaxed);
    return started.load(std::memory_order_relaxed) - all;  // read last: what has ended has started
  }
  static void add(std::atomic<std::uint64_t>& count, std::uint64_t n) noexcept {
    count.fetch_add(n, std::memory_order_relaxed);
  }
};

/// Appends the loops' sums in Prometheus's text format.
void append_counters(std::string& out, std::span<const Counters* const> loops);

/// One request's entry in the books. It is closed when this object goes, exactly once: as cancelled, unless something
/// else has been said.
class Ticket {
 public:
  explicit Ticket(Counters& counters) noexcept : counters_(counters) { Counters::add(counters_.started, 1); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() { Counters::add(counters_.ended[static_cast<std::size_t>(ending_)], 1); }

  void ends_as(Ending ending) noexcept { ending_ = ending; }

 private:
  Counters& counters_;
  Ending ending_ = Ending::cancelled;
};

}  // namespace gateway
