// SPDX-License-Identifier: Apache-2.0
// The floor of a routing decision: the cost of choosing, reserving and releasing, and of nothing else.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

// This is a yardstick and no design: it has no membership changes, eligibility, reasons or pinned snapshots.
namespace bench::floor {

struct alignas(64) Endpoint {  // own cache line: other threads write the neighbours
  std::atomic<std::uint32_t> in_flight{0};
};

using Pool = std::vector<Endpoint*>;

/// The generator wyrand. A draw below `bound` takes one multiplication.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}

  std::uint32_t below(std::uint32_t bound) {
    state_ += 0xa0761d6478bd642fU;
    const Wide product = static_cast<Wide>(state_) * (state_ ^ 0xe7037ed1a0b428dbU);
    const auto bits = static_cast<std::uint64_t>(product >> 64U) ^ static_cast<std::uint64_t>(product);
    return static_cast<std::uint32_t>((static_cast<Wide>(bits) * bound) >> 64U);
  }

 private:
  __extension__ using Wide = unsigned __int128;
  std::uint64_t state_;
};

class Lease {
 public:
  Lease() = default;
  explicit Lease(Endpoint* endpoint) : endpoint_(endpoint) {
    endpoint_->in_flight.fetch_add(1, std::memory_order_relaxed);  // relaxed: a reservation publishes nothing
  }
  Lease(Lease&& other) noexcept : endpoint_(std::exchange(other.endpoint_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(endpoint_, other.endpoint_);
    return *this;
  }
  ~Lease() {
    // Release: what the holder did happens before the lowered count is seen.
    if (endpoint_ != nullptr) endpoint_->in_flight.fetch_sub(1, std::memory_order_release);
  }

 private:
  Endpoint* endpoint_ = nullptr;
};

inline std::uint32_t load(const Pool& pool, std::uint32_t i) {
  return pool[i]->in_flight.load(std::memory_order_relaxed);
}

/// Power of two choices: the less loaded of two distinct random endpoints.
struct TwoChoices {
  static std::uint32_t select(const Pool& pool, Generator& generator) {
    const auto n = static_cast<std::uint32_t>(pool.size());
    const std::uint32_t a = generator.below(n);
    std::uint32_t b = generator.below(n - 1);
    b += b >= a ? 1 : 0;
    return load(pool, b) < load(pool, a) ? b : a;
  }
};

/// Full scan: the least loaded of all endpoints, from a random start.
struct FullScan {
  static std::uint32_t select(const Pool& pool, Generator& generator) {
    const auto n = static_cast<std::uint32_t>(pool.size());
    const std::uint32_t start = generator.below(n);
    std::uint32_t best = start;
    std::uint32_t least = load(pool, start);
    for (std::uint32_t k = 1; k < n; ++k) {
      const std::uint32_t i = start + k < n ? start + k : start + k - n;
      if (const std::uint32_t candidate = load(pool, i); candidate < least) {
        least = candidate;
        best = i;
      }
    }
    return best;
  }
};

/// One pool per role. All threads share them.
template <class Choice>
class World {
 public:
  explicit World(std::size_t n) : endpoints_(2 * n) {
    for (std::size_t i = 0; i < n; ++i) {
      prefill_.push_back(&endpoints_[i]);
      decode_.push_back(&endpoints_[n + i]);
    }
  }

  /// The generator and the outstanding pairs of one thread.
  class Worker {
   public:
    Worker(const World& world, std::uint64_t seed) : world_(&world), generator_(seed) {}

    void operator()(std::size_t decisions) {
      Generator generator = generator_;  // a local copy stays in registers
      const Pool& prefill_pool = world_->prefill_;
      const Pool& decode_pool = world_->decode_;
      for (std::size_t k = 0; k < decisions; ++k) {
        Lease prefill(prefill_pool[Choice::select(prefill_pool, generator)]);
        Lease decode(decode_pool[Choice::select(decode_pool, generator)]);
        outstanding_[k % outstanding_.size()] = {std::move(prefill), std::move(decode)};
      }
      generator_ = generator;
    }

   private:
    const World* world_;
    Generator generator_;
    std::array<std::pair<Lease, Lease>, 32> outstanding_;
  };

  [[nodiscard]] Worker worker(int thread) const { return {*this, static_cast<std::uint64_t>(thread) + 1}; }

 private:
  std::vector<Endpoint> endpoints_;
  Pool prefill_;
  Pool decode_;
};

}  // namespace bench::floor
