// SPDX-License-Identifier: Apache-2.0
// The caller's own code inside a change of membership: it may throw, call back, and have names like the library's.
#include <pdroute/pool/endpoint_pool.hpp>

#include <cstdint>
#include <functional>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

using pdroute::Capacity;
using pdroute::Role;

namespace {

/// An endpoint whose destructor calls the pool, as a caller's may.
struct CallsBack {
  std::string name;
  const std::function<void()>* call_back = nullptr;

  explicit CallsBack(std::string its_name, const std::function<void()>* calls = nullptr)
      : name(std::move(its_name)), call_back(calls) {}
  CallsBack(const CallsBack&) = default;
  CallsBack& operator=(const CallsBack&) = delete;
  ~CallsBack() {
    if (call_back != nullptr) (*call_back)();
  }
};

int capacity_reads_until_throw = 0;

}  // namespace

template <>
struct pdroute::EndpointTraits<CallsBack> {
  static std::string_view id(const CallsBack& endpoint) { return endpoint.name; }
  static pdroute::Capacity capacity(const CallsBack& /*endpoint*/, pdroute::Role /*role*/) {
    if (--capacity_reads_until_throw == 0) throw std::runtime_error("no capacity today");
    return {};
  }
};

TEST_CASE("a capacity is read once per list, and if that throws, nothing has changed and no copy was made") {
  pdroute::EndpointPool<Role::prefill, CallsBack> pool;
  int calls = 0;
  const std::function<void()> look = [&] {  // would wait for ever if the pool's lock were held
    static_cast<void>(pool.endpoints());
    ++calls;
  };
  {
    const std::vector<CallsBack> list{CallsBack{"a", &look}};
    calls = 0;
    capacity_reads_until_throw = 1;
    CHECK_THROWS_AS(pool.assign(list), std::runtime_error);
    CHECK(pool.endpoints().empty());
    CHECK(calls == 0);
    capacity_reads_until_throw = 2;
    CHECK(pool.assign(list));
    CHECK(capacity_reads_until_throw == 1);
    calls = 0;
    CHECK(pool.assign(std::vector<CallsBack>{}));  // the copy dies after the lock is free
    CHECK(calls == 1);
  }
}

// A caller's namespace may have functions with the names of the library's own.
namespace caller {

struct Engine {
  std::string id;
};
struct Job {
  std::uint64_t prompt_tokens = 0;
};
[[maybe_unused]] Capacity capacity_of(const Engine& /*engine*/, Role /*role*/) {
  return {.requests = 1};
}
[[maybe_unused]] pdroute::Demand demand_of(const Job& /*job*/, const Engine& /*engine*/, Role /*role*/) {
  return {.tokens = 1'000'000};
}

}  // namespace caller

TEST_CASE("functions of the caller's with names like the library's are not called") {
  pdroute::EndpointPool<Role::prefill, caller::Engine, pdroute::Tokens> pool;
  const std::vector<caller::Engine> list{{"a"}};
  REQUIRE(pool.assign(list));
  auto* const slot = pool.snapshot()->candidates().slot(0);
  CHECK(slot->capacity() == Capacity{});
  slot->set_capacity({.tokens = 10});
  CHECK(slot->has_room(caller::Job{.prompt_tokens = 10}));
}
