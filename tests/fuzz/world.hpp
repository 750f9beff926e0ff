// SPDX-License-Identifier: Apache-2.0
// The fuzzed world: a router, everything that its callers hold, and a model of both, compared after each action.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/bytes.hpp"
#include "fuzz/job.hpp"
#include "fuzz/model.hpp"
#include "fuzz/payload.hpp"

namespace fuzz {

/// How often each interesting event happened. A test checks that none of them is missing.
struct Tally {
  std::uint64_t chosen = 0;
  std::uint64_t refused = 0;
  std::uint64_t full = 0;
  std::uint64_t incompatible = 0;
  std::uint64_t thrown = 0;
  std::uint64_t adopted = 0;
  std::uint64_t bad_lease_ids = 0;
  std::uint64_t role_changes = 0;
  std::uint64_t cores = 0;
  std::uint64_t ejected = 0;
  std::uint64_t spared = 0;
  std::uint64_t back = 0;
  std::uint64_t entries_refused = 0;
  std::uint64_t taken_back = 0;
  std::uint64_t bound_only = 0;
};

/// Does random actions on a router and on its model, and compares the two.
class World final : public Witness {
 public:
  explicit World(Bytes draws);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Does one action and compares. Returns false when the draws are used up or a violation was found.
  bool step();
  /// Drops everything in a random order, and compares a last time.
  void finish();

  /// The first violation and the action before it; empty if there was none.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  struct Loop {
    Router::Dispatcher dispatcher;
    std::array<Lives, 2> seen;
  };
  /// What the model knows of a lease. `life` is null if the lease has ended.
  struct Stake {
    LifePtr life = {};
    std::uint64_t amount = 0;
    std::uint64_t stamp = 0;  // of the description that the lease shows
    Mark mark = {};
  };
  struct Open {
    Router::Route route;
    std::array<Stake, 2> stake;
  };
  /// A lease id that the router has given.
  struct Detached {
    pdroute::LeaseId id;
    pdroute::Role role;
    Stake stake;                       // of the lease, until the id is exchanged for it
    bool place_may_have_gone = false;  // another lease may have its place in the table
  };

  void ensure(bool good, std::string_view what);
  template <class Use>
  void with_router_or_dispatcher(const Use& use);
  template <class Use>
  void with_half(Open& open, pdroute::Role role, const Use& use);

  // Actions (world.cpp)
  void start();
  void release();
  void complete();
  void progress();
  void detach();
  void adopt();
  void forge();
  void manage_loops();
  void drop_router();
  void end_core();
  void advance_clock();

  // Actions on the members (world_members.cpp)
  void assign();
  void set_health();
  void set_intake();
  void drain();
  void change_role();
  void set_capacity();

  // Outlier detection (world_outliers.cpp)
  void end_all();
  void advance_router();
  [[nodiscard]] std::map<std::string, EngineRow> engine_rows();
  void advance_role(pdroute::Role role, std::int64_t now, const std::map<std::string, EngineRow>& rows);
  void settle(pdroute::Role role);
  void settle();

  [[nodiscard]] std::vector<Payload> draw_list(std::optional<pdroute::ConfigError::Rule>& wrong);
  [[nodiscard]] pdroute::Capacity draw_capacity(pdroute::Role role);
  [[nodiscard]] std::string draw_id();
  [[nodiscard]] LifePtr add(pdroute::Role role, const Life& like);
  void assigned(pdroute::Role role, const std::vector<Payload>& list);
  static void listed(Life& life, const Payload& payload);

  // Choosing (world_choices.cpp)
  enum class Legs : std::uint8_t { both, prefill, decode };
  void choose(Legs legs);
  [[nodiscard]] Job draw_job();
  [[nodiscard]] Wish draw_wish(Legs legs);
  [[nodiscard]] Wish::Leg draw_leg(pdroute::Role role);
  void policy_is_asked(const std::vector<Offer>& offers) override;
  void tick() const;
  [[nodiscard]] Stake took(pdroute::Role role, const Payload& payload, std::uint64_t incarnation);
  void took_route(Router::Route route);
  template <class Lease>
  void took_one(Lease lease);
  void refused(Legs legs, const pdroute::NoEndpoint& reason);
  [[nodiscard]] bool explains_second(const pdroute::NoEndpoint& reason) const;
  [[nodiscard]] bool explains_first(const pdroute::NoEndpoint& reason) const;

  // Comparing (world.cpp)
  void compare();
  void compare_members(pdroute::Role role);

  [[nodiscard]] Lives& members(pdroute::Role role) { return members_[place(role)]; }
  [[nodiscard]] static LifePtr find(const Lives& lives, std::string_view id);
  [[nodiscard]] Lives eligible(pdroute::Role role) const;
  void see(Loop& loop) const;
  void end_stake(Stake& stake, End how);
  [[nodiscard]] pdroute::Role draw_role() {
    return draws_.below(2) == 0 ? pdroute::Role::prefill : pdroute::Role::decode;
  }
  [[nodiscard]] std::int64_t seconds() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
  }

  Bytes draws_;
  std::string violation_;
  std::string action_ = "start";
  std::uint64_t actions_ = 0;
  Tally tally_;

  Census census_;
  pdroute::ManualClock clock_;
  bool ejects_ = true;
  // Rows alone: the share of failures and silence have tests of their own.
  pdroute::OutlierDetection rules_ = {.failure_share_requests = 1'000'000'000,
                                      .silence = std::chrono::hours{100'000},
                                      .base_ejection_time = std::chrono::seconds{2},
                                      .max_ejection_time = std::chrono::seconds{10}};
  pdroute::Role first_ = pdroute::Role::prefill;
  std::array<Lives, 2> members_;
  std::array<Lives, 2> departed_;  // lives that may come back
  std::array<std::uint64_t, 2> incarnations_ = {};
  std::array<pdroute::Refusals, 2> refusals_ = {};
  std::vector<std::weak_ptr<Life>> lives_;
  std::array<std::uint32_t, 6> keys_ = {};  // the incarnation key last given to each id; earlier ones come back
  std::uint64_t stamps_ = 0;

  std::optional<Router> router_;
  std::vector<Loop> loops_;
  std::deque<Open> open_;
  std::vector<Detached> detached_;

  const Job* job_ = nullptr;  // of the call in progress, or null
  const Wish* wish_ = nullptr;
  mutable std::optional<std::uint32_t> calls_before_throw_;
};

}  // namespace fuzz
