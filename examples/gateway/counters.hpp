// SPDX-License-Identifier: Apache-2.0
// The gateway's own counters, beside the router's: how requests end.
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
  answered,      ///< the client got the engines' answer to its last byte
  client_error,  ///< the request was wrong: a 4xx from the gateway or from an engine
  refused,       ///< no endpoint could be chosen: 429 or 503
  engine_error,  ///< engines failed, and no further try was possible: 502, 504 or a stream cut off
  cancelled,     ///< the client went away, or the gateway ended
};
inline constexpr std::array<std::string_view, 5> ending_names{"answered", "client_error", "refused", "engine_error",
                                                              "cancelled"};

/// The counters of one event loop. Its thread writes them, and any thread reads them.
struct alignas(64) Counters {  // own cache line: the neighbours belong to other threads
  std::atomic<std::uint64_t> started{0};
  std::array<std::atomic<std::uint64_t>, ending_names.size()> ended{};
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> choices{0};
  std::atomic<std::uint64_t> choice_allocations{0};

  /// The number of requests that have not ended.
  [[nodiscard]] std::uint64_t running() const noexcept {
    std::uint64_t all = 0;
    for (const auto& count : ended) all += count.load(std::memory_order_relaxed);
    return started.load(std::memory_order_relaxed) - all;  // read after the endings: never negative
  }
  static void add(std::atomic<std::uint64_t>& count, std::uint64_t n) noexcept {
    count.fetch_add(n, std::memory_order_relaxed);
  }
};

/// Appends the sums over all loops in Prometheus's text format.
void append_counters(std::string& out, std::span<const Counters* const> loops);

/// Counts one request. The destructor counts its end, exactly once: as cancelled, unless another ending was set.
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
