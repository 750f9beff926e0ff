// SPDX-License-Identifier: Apache-2.0
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
  unsigned id : 24;  // no reference can be bound to it
  unsigned flags : 8;
};
struct ByValue {
  int number;
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

namespace {

static_assert(pdroute::EndpointType<Plain>);
static_assert(pdroute::EndpointType<Rank>);
static_assert(pdroute::EndpointType<Pod>);
static_assert(pdroute::EndpointType<Engine>);
static_assert(!pdroute::EndpointType<Nameless>);
static_assert(!pdroute::EndpointType<FloatId>);
static_assert(!pdroute::EndpointType<int>);
static_assert(pdroute::EndpointType<Packed>);
static_assert(!pdroute::EndpointType<ByValue>);  // its text would be gone before anyone could compare it
static_assert(!pdroute::EndpointType<const Plain>);
static_assert(!pdroute::EndpointType<Plain&>);

static_assert(std::is_same_v<pdroute::EndpointIdView<Plain>, std::string_view>);
static_assert(std::is_same_v<pdroute::EndpointId<Plain>, std::string>);
static_assert(std::is_same_v<pdroute::EndpointIdView<Rank>, int>);

}  // namespace

TEST_CASE("an id is read from the member .id, or as EndpointTraits says") {
  CHECK(pdroute::endpoint_id(Plain{"p0"}) == "p0");
  CHECK(pdroute::endpoint_id(Rank{7}) == 7);
  CHECK(pdroute::endpoint_id(Packed{9, 1}) == 9);
  CHECK(pdroute::endpoint_id(Engine{"e1"}) == "e1");
}

TEST_CASE("without an incarnation key the same id is the same life") {
  CHECK(pdroute::detail::same_incarnation(Plain{"p0"}, Plain{"p0"}));
  CHECK(pdroute::detail::same_incarnation(Pod{"p0", "uid-1"}, Pod{"p0", "uid-1"}));
  CHECK_FALSE(pdroute::detail::same_incarnation(Pod{"p0", "uid-1"}, Pod{"p0", "uid-2"}));
}
