// SPDX-License-Identifier: Apache-2.0
// What a list says of members that stay, and what becomes of entries that are at fault.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <pdroute/load/identity.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"
#include "pool/lease_on.hpp"

namespace {

using pdroute::Capacity;
using pdroute::ConfigError;
using pdroute::Health;
using pdroute::Role;
using Ids = std::vector<std::string>;

/// Can be compared, so a list that says the same of it changes nothing.
struct Model {
  std::string id;
  std::string url;
  Capacity capacity = {};
  int weight = 1;
  friend bool operator==(const Model& a, const Model& b) { return a.id == b.id && a.url == b.url; }
};
using Models = std::vector<Model>;
using Pool = pdroute::EndpointPool<Role::prefill, Model, pdroute::Identity>;

/// Has a copy for each description that the pool keeps.
struct Counted {
  std::string id;
  int version;
  std::shared_ptr<int> copies;
};

template <class P>
Ids eligible(const P& pool) {
  Ids ids;
  const auto snapshot = pool.snapshot();
  for (std::size_t i = 0; i < snapshot->candidates().size(); ++i) ids.emplace_back(snapshot->candidates()[i].id());
  return ids;
}

}  // namespace

TEST_CASE("lists: new leases show what the newest list says, running leases what they began with") {
  Pool pool;
  REQUIRE(pool.assign(Models{{"a", "old"}}));
  const auto running = lease_on(pool, "a");
  const auto report = pool.assign(Models{{"a", "new"}}).value();
  CHECK(report.kept == Ids{"a"});
  CHECK(report.changed == Ids{"a"});
  CHECK(running->url == "old");
  CHECK(lease_on(pool, "a")->url == "new");
  CHECK(lease_on(pool, "a").incarnation() == running.incarnation());
}

TEST_CASE("lists: a list that says the same again changes nothing and publishes nothing") {
  Pool pool;
  const Models list{{"a", "url", {.requests = 2}, 3}};
  REQUIRE(pool.assign(list));
  const auto generation = pool.generation();
  for (int i = 0; i < 100; ++i) CHECK(pool.assign(list)->changed.empty());
  CHECK_FALSE(pool.update(list[0]));
  CHECK(pool.generation() == generation);
}

TEST_CASE("lists: a capacity and a weight take effect in place, and the requests that run count on") {
  Pool pool;
  REQUIRE(pool.assign(Models{{"a", "url", {.requests = 1}}}));
  const auto running = lease_on(pool, "a");
  CHECK_FALSE(lease_on(pool, "a"));
  CHECK(pool.assign(Models{{"a", "url", {.requests = 2}, 7}})->changed == Ids{"a"});
  CHECK(pool.snapshot()->candidates()[0].weight() == 7);
  const auto second = lease_on(pool, "a");
  CHECK(second);
  CHECK_FALSE(lease_on(pool, "a"));
}

TEST_CASE("lists: single endpoints are added, updated and removed, and errors say what is wrong") {
  Pool pool;
  CHECK_FALSE(pool.add({"a", "1"}));
  CHECK(pool.add({"a", "2"})->rule == ConfigError::Rule::id_unique);
  CHECK(lease_on(pool, "a")->url == "1");
  CHECK(pool.update({"b", "1"})->rule == ConfigError::Rule::id_known);
  CHECK(pool.update({"a", "3", {.requests = 0}})->rule == ConfigError::Rule::capacity_in_range);
  CHECK_FALSE(pool.update({"a", "3"}));
  CHECK(lease_on(pool, "a")->url == "3");
  CHECK(pool.add({"", "1"})->rule == ConfigError::Rule::id_not_empty);
  CHECK(eligible(pool) == Ids{"a"});
  CHECK(pool.remove("a"));
  CHECK_FALSE(pool.remove("a"));
  CHECK(eligible(pool).empty());  // at once, and no snapshot shows it any more
  CHECK(pool.endpoints().empty());
}

TEST_CASE("lists: one endpoint is added by many threads at once, exactly one adds it") {
  Pool pool;
  std::atomic<int> added = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) added += pool.add({"e" + std::to_string(i), std::to_string(t)}) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(added == 200);
}

TEST_CASE("lists: an entry at fault is refused and named, and a member with its id stays as it was") {
  Pool pool;
  REQUIRE(pool.assign(Models{{"a", "old"}, {"dead", "old"}, {"b", "old"}}));
  const auto report =
      pool.assign(Models{{"a", "new", {.requests = 0}}, {"b", "new"}, {"c", "new", {}, -1}, {"d", "new"}}).value();
  REQUIRE(report.refused.size() == 2);
  CHECK(report.refused[0].rule == ConfigError::Rule::capacity_in_range);
  CHECK(report.refused[0].endpoint == ConfigError::Place{Role::prefill, 0});
  CHECK(report.refused[1].rule == ConfigError::Rule::endpoint_weight_in_range);
  CHECK(report.refused[1].endpoint == ConfigError::Place{Role::prefill, 2});
  CHECK(report.removed == Ids{"dead"});
  CHECK(report.kept == Ids{"b"});
  CHECK(report.added == Ids{"d"});
  CHECK(eligible(pool) == Ids{"a", "b", "d"});
  CHECK(lease_on(pool, "a")->url == "old");
}

TEST_CASE("lists: a list of which every entry is at fault is an error, and nothing changes") {
  Pool pool;
  REQUIRE(pool.assign(Models{{"a", "old"}, {"b", "old"}}));
  const auto generation = pool.generation();
  const auto answer = pool.assign(Models{{"a", "new", {.requests = 0}}, {"", "new"}});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().rule == ConfigError::Rule::capacity_in_range);
  CHECK(pool.generation() == generation);
  CHECK(eligible(pool) == Ids{"a", "b"});
  CHECK(pool.assign(Models{})->removed == Ids{"a", "b"});  // an empty list is a wish
}

TEST_CASE("lists: an entry that repeats an earlier one counts once, one that contradicts it is refused") {
  Pool pool;
  const auto same = pool.assign(Models{{"a", "x"}, {"b", "x"}, {"a", "x"}}).value();
  CHECK(same.added == Ids{"a", "b"});
  CHECK(same.refused.empty());
  const auto other = pool.assign(Models{{"a", "x"}, {"a", "y"}, {"a", "x", {.requests = 3}}}).value();
  CHECK(other.kept == Ids{"a"});
  CHECK(other.removed == Ids{"b"});
  CHECK(pool.assign(Models{{"a", "x", {}, 2}, {"a", "x", {}, 3}})->refused.size() == 1);
  REQUIRE(other.refused.size() == 2);
  CHECK(other.refused[0].rule == ConfigError::Rule::id_unique);
  CHECK(other.refused[1].endpoint == ConfigError::Place{Role::prefill, 2});
}

TEST_CASE("lists: an id with two incarnation keys is refused, and the first one counts") {
  struct Pod {
    std::string id;
    int incarnation;
  };
  pdroute::EndpointPool<Role::prefill, Pod> pool;
  const auto report = pool.assign(std::vector<Pod>{{"a", 1}, {"a", 2}, {"a", 1}}).value();
  CHECK(report.added == Ids{"a"});
  REQUIRE(report.refused.size() == 1);
  CHECK(report.refused[0].rule == ConfigError::Rule::id_unique);
  CHECK(report.refused[0].endpoint == ConfigError::Place{Role::prefill, 1});
}

TEST_CASE("lists: the highest weight is accepted, and counts from the first snapshot on") {
  Pool pool;
  REQUIRE_FALSE(pool.add({"a", "x", {}, pdroute::max_endpoint_weight}));
  CHECK(pool.snapshot()->candidates()[0].weight() == pdroute::max_endpoint_weight);
  CHECK(pool.add({"b", "x", {}, pdroute::max_endpoint_weight + 1}));
}

TEST_CASE("lists: weight 0 means no new requests, and a higher weight brings the endpoint back") {
  Pool pool;
  REQUIRE(pool.assign(Models{{"a", "x"}, {"b", "x"}}));
  auto running = lease_on(pool, "a");
  REQUIRE(pool.assign(Models{{"a", "x", {}, 0}, {"b", "x"}}));
  CHECK(eligible(pool) == Ids{"b"});
  CHECK(pool.snapshot()->left_out().paused == 1);
  CHECK(pool.endpoint("a")->in_flight == 1);
  CHECK(pool.endpoint("a")->weight == 0);
  CHECK_FALSE(pool.endpoint("a")->eligible());
  REQUIRE(pool.assign(Models{{"a", "x", {}, 2}, {"b", "x"}}));
  CHECK(pool.endpoint("a")->weight == 2);
  CHECK(pool.endpoint("a")->eligible());
  CHECK(eligible(pool) == Ids{"a", "b"});
}

TEST_CASE("lists: descriptions of an idle endpoint are let go, although none can be compared with the next") {
  const auto copies = std::make_shared<int>(0);
  pdroute::EndpointPool<Role::prefill, Counted> pool;
  const auto intake = GENERATE(pdroute::Intake::accepting, pdroute::Intake::bound_only);
  REQUIRE(pool.add({"a", -1, copies}) == std::nullopt);
  REQUIRE(pool.set_intake("a", intake));
  const auto generation = pool.generation();
  for (int i = 0; i < 2000; ++i) {
    const auto report = pool.assign(std::vector<Counted>{{"a", i, copies}}).value();
    REQUIRE(report.deferred.empty());
    if (intake == pdroute::Intake::accepting) REQUIRE(lease_on(pool, "a")->version == i);
    REQUIRE(copies.use_count() < 1 + 32);
  }
  CHECK(pool.generation() - generation < 2000 / 10);  // few of them need a new snapshot
}

TEST_CASE("lists: descriptions that a snapshot may show are kept until there is a new one") {
  const auto copies = std::make_shared<int>(0);
  pdroute::EndpointPool<Role::prefill, Counted> pool;
  REQUIRE(pool.assign(std::vector<Counted>{{"a", 0, copies}}));
  auto snapshot = pool.snapshot();
  const Counted& shown = snapshot->candidates()[0].endpoint();
  for (int i = 1; i <= 5; ++i) REQUIRE(pool.assign(std::vector<Counted>{{"a", i, copies}}));
  CHECK(copies.use_count() == 1 + 6);
  CHECK(shown.version == 0);
  snapshot.reset();
  REQUIRE(pool.set_health("a", Health::unhealthy));
  REQUIRE(pool.assign(std::vector<Counted>{{"a", 6, copies}}));
  CHECK(copies.use_count() == 1 + 2);
}

TEST_CASE("lists: a long lease does not make descriptions pile up, and a deferred one is told and comes later") {
  const auto copies = std::make_shared<int>(0);
  pdroute::EndpointPool<Role::prefill, Counted> pool;
  REQUIRE(pool.assign(std::vector<Counted>{{"a", 0, copies}}));
  const int earlier = GENERATE(0, 5);  // let go before the lease
  for (int i = 0; i < earlier; ++i) REQUIRE(pool.assign(std::vector<Counted>{{"a", 0, copies}}));
  for (const auto health : {Health::unhealthy, Health::healthy}) REQUIRE(pool.set_health("a", health));
  REQUIRE(pool.update({"a", 0, copies}) == std::nullopt);
  auto running = lease_on(pool, "a");
  int deferred = 0;
  for (int i = 1; i <= 200; ++i) {
    const auto report = pool.assign(std::vector<Counted>{{"a", i, copies}}).value();
    deferred += static_cast<int>(report.deferred.size());
    CHECK(report.changed.size() + report.deferred.size() == 1);
  }
  CHECK(200 - deferred == 63);  // 64 descriptions are kept, with the first one
  CHECK(copies.use_count() < 100);
  CHECK(running->version == 0);
  running.complete();
  static_cast<void>(pool.snapshot());
  REQUIRE(pool.assign(std::vector<Counted>{{"a", 201, copies}}));  // finds that nothing needs the earlier ones
  CHECK(pool.assign(std::vector<Counted>{{"a", 202, copies}})->changed == Ids{"a"});
  CHECK(lease_on(pool, "a")->version == 202);
}

TEST_CASE("lists: an endpoint that is compared, copied or destroyed may call the pool") {
  struct Calls {
    std::string id;
    const std::function<void()>* call = nullptr;
    Calls(std::string name, const std::function<void()>* calls) : id(std::move(name)), call(calls) {}
    Calls(const Calls& other) : id(other.id), call(other.call) { (*call)(); }
    Calls& operator=(const Calls&) = delete;
    ~Calls() { (*call)(); }
    bool operator==(const Calls& other) const {
      (*call)();
      return id == other.id && false;  // always another description
    }
  };
  int calls = 0;
  pdroute::EndpointPool<Role::prefill, Calls> pool;
  const std::function<void()> look = [&] {  // would wait for ever if the pool's lock were held
    static_cast<void>(pool.endpoints());
    ++calls;
  };
  {
    std::vector<Calls> list;
    list.reserve(2);
    list.emplace_back("a", &look);
    list.emplace_back("b", &look);
    for (int i = 0; i < 40; ++i) REQUIRE(pool.assign(list));
    REQUIRE_FALSE(pool.update(list[0]));
    REQUIRE(pool.remove("a"));
    REQUIRE(pool.assign(std::vector<Calls>{}));
    CHECK(calls > 100);
  }
}

TEST_CASE("lists: an endpoint is added while its copy is made, exactly one is a member") {
  struct Twice {
    std::string id;
    const std::function<void()>* call = nullptr;
    Twice(std::string name, const std::function<void()>* calls) : id(std::move(name)), call(calls) {}
    Twice(const Twice& other) : id(other.id), call(other.call) {
      if (call != nullptr) (*call)();
    }
    Twice& operator=(const Twice&) = delete;
    ~Twice() = default;
  };
  pdroute::EndpointPool<Role::prefill, Twice> pool;
  const Twice plain{"a", nullptr};
  int refused = 0;
  const std::function<void()> add = [&] { refused += pool.add(plain) ? 1 : 0; };
  const auto error = pool.add(Twice{"a", &add});
  REQUIRE(error);
  CHECK(error->rule == ConfigError::Rule::id_unique);
  CHECK(refused == 0);
  CHECK(pool.endpoints().size() == 1);
}

TEST_CASE("lists: a comparison or a copy that throws changes nothing") {
  struct Throws {
    std::string id;
    int* until_throw;
    Throws(std::string name, int* counter) : id(std::move(name)), until_throw(counter) {}
    Throws(const Throws& other) : id(other.id), until_throw(other.until_throw) { step(); }
    Throws& operator=(const Throws&) = delete;
    bool operator==(const Throws&) const {
      step();
      return false;
    }
    void step() const {
      if (--*until_throw == 0) throw std::runtime_error("not today");
    }
  };
  int until_throw = 0;
  pdroute::EndpointPool<Role::prefill, Throws> pool;
  std::vector<Throws> list;
  list.reserve(3);
  list.emplace_back("a", &until_throw);
  list.emplace_back("b", &until_throw);
  REQUIRE(pool.assign(list));
  list.emplace_back("c", &until_throw);
  for (int step = 1; step <= 5; ++step) {  // two comparisons and three copies
    const auto generation = pool.generation();
    until_throw = step;
    CHECK_THROWS_AS(pool.assign(list), std::runtime_error);
    CHECK(pool.generation() == generation);
    CHECK(pool.endpoints().size() == 2);
  }
  until_throw = 0;
  CHECK(pool.assign(list)->added == Ids{"c"});
}
