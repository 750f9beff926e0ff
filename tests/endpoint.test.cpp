// SPDX-License-Identifier: Apache-2.0
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>

#include <string>
#include <string_view>
#include <type_traits>

#include "catch2_compat.hpp"

namespace {

struct Plain {
  std::string id;
};
struct Rank {
  int id;  // for example a data-parallel rank
};
struct Pod {
  std::string id;
  std::string incarnation;
};
struct Nameless {
  std::string url;
};
struct FloatId {
  double id;
};
struct Packed {
  unsigned id : 24;  // a bit-field: no reference can be bound to it
  unsigned flags : 8;
};
struct ByValue {
  int number;
};
struct Sized {
  std::string id;
  pdroute::Capacity capacity;
};
struct Gpus {
  std::string id;
  unsigned count;
};
struct Heavy {
  std::string id;
  short weight;
};
struct Bits {
  std::string id;
  unsigned weight : 8;  // a bit-field: no reference can be bound to it
};
class Engine {
 public:
  explicit Engine(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

}  // namespace

template <>
struct pdroute::EndpointTraits<ByValue> {
  static std::string id(const ByValue& endpoint) { return std::to_string(endpoint.number); }
};
template <>
struct pdroute::EndpointTraits<Engine> {
  static std::string_view id(const Engine& engine) { return engine.name(); }
};
template <>
struct pdroute::EndpointTraits<Gpus> {
  static const std::string& id(const Gpus& gpus) { return gpus.id; }
  static pdroute::Capacity capacity(const Gpus& gpus, pdroute::Role role) {
    if (role == pdroute::Role::prefill) return {.requests = 4 * gpus.count};
    return {.requests = 64 * gpus.count, .kv_tokens = 500'000};
  }
  static unsigned weight(const Gpus& gpus, pdroute::Role role) {
    return role == pdroute::Role::prefill ? gpus.count : 10 * gpus.count;
  }
};

namespace {

static_assert(pdroute::EndpointType<Plain>);
static_assert(pdroute::EndpointType<Rank>);
static_assert(pdroute::EndpointType<Pod>);
static_assert(pdroute::EndpointType<Engine>);
static_assert(pdroute::EndpointType<Sized>);
static_assert(pdroute::EndpointType<Gpus>);
static_assert(!pdroute::EndpointType<Nameless>);
static_assert(!pdroute::EndpointType<FloatId>);
static_assert(!pdroute::EndpointType<int>);
static_assert(pdroute::EndpointType<Packed>);
static_assert(!pdroute::EndpointType<ByValue>);  // its id is a temporary string, gone before it could be compared
static_assert(!pdroute::EndpointType<const Plain>);
static_assert(!pdroute::EndpointType<Plain&>);

static_assert(std::is_same_v<pdroute::EndpointIdView<Plain>, std::string_view>);
static_assert(std::is_same_v<pdroute::EndpointId<Plain>, std::string>);
static_assert(std::is_same_v<pdroute::EndpointIdView<Rank>, int>);

}  // namespace

TEST_CASE("endpoint id: read from the member .id, or by EndpointTraits where that is specialised") {
  CHECK(pdroute::endpoint_id(Plain{"p0"}) == "p0");
  CHECK(pdroute::endpoint_id(Rank{7}) == 7);
  CHECK(pdroute::endpoint_id(Packed{9, 1}) == 9);
  CHECK(pdroute::endpoint_id(Engine{"e1"}) == "e1");
}

TEST_CASE("incarnation: without a key equal ids are the same life, with keys the keys decide") {
  CHECK(pdroute::detail::life_key(Plain{"p0"}) == pdroute::detail::life_key(Plain{"p0"}));
  CHECK(pdroute::detail::life_key(Pod{"p0", "uid-1"}) == "uid-1");
}

TEST_CASE("capacity: an endpoint without one has no limits") {
  CHECK(pdroute::detail::capacity_of(Plain{"p0"}, pdroute::Role::prefill) == pdroute::Capacity{});
  CHECK(pdroute::detail::capacity_of(Engine{"p0"}, pdroute::Role::decode) == pdroute::Capacity{});
}

TEST_CASE("capacity: read from the member .capacity for both roles, or by EndpointTraits for each role") {
  const auto role = GENERATE(pdroute::Role::prefill, pdroute::Role::decode);
  const Sized sized{"p0", {.requests = 2, .tokens = 3, .kv_tokens = 4}};
  CHECK(pdroute::detail::capacity_of(sized, role) == sized.capacity);

  const Gpus gpus{"p0", 8};
  CHECK(pdroute::detail::capacity_of(gpus, pdroute::Role::prefill) == pdroute::Capacity{.requests = 32});
  CHECK(pdroute::detail::capacity_of(gpus, pdroute::Role::decode) ==
        pdroute::Capacity{.requests = 512, .kv_tokens = 500'000});
}

TEST_CASE("endpoint weight: read from the member .weight for both roles, or by EndpointTraits for each, otherwise 1") {
  const auto role = GENERATE(pdroute::Role::prefill, pdroute::Role::decode);
  CHECK(pdroute::detail::endpoint_weight(Plain{"p0"}, role) == 1);
  CHECK(pdroute::detail::endpoint_weight(Engine{"p0"}, role) == 1);
  CHECK(pdroute::detail::endpoint_weight(Heavy{"p0", 7}, role) == 7);
  CHECK(pdroute::detail::endpoint_weight(Heavy{"p0", -7}, role) == -7);  // returned unchanged; a pool refuses it
  CHECK(pdroute::detail::endpoint_weight(Bits{"p0", 9}, role) == 9);
  CHECK(pdroute::detail::endpoint_weight(Gpus{"p0", 8}, pdroute::Role::prefill) == 8);
  CHECK(pdroute::detail::endpoint_weight(Gpus{"p0", 8}, pdroute::Role::decode) == 80);
}
