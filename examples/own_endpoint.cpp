// SPDX-License-Identifier: Apache-2.0
// An endpoint type without a member `.id`: a specialisation of EndpointTraits says how to read it.
#include <fmt/core.h>

#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

class Pod {
 public:
  Pod(std::string name, std::string uid) : name_(std::move(name)), uid_(std::move(uid)) {}
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& uid() const { return uid_; }

 private:
  std::string name_;
  std::string uid_;
};

template <>
struct pdroute::EndpointTraits<Pod> {
  static std::string_view id(const Pod& pod) { return pod.name(); }
  static std::string_view incarnation(const Pod& pod) { return pod.uid(); }  // optional: tells two lives apart
  static pdroute::Capacity capacity(const Pod&, pdroute::Role role) {        // optional: limits, here of decode only
    return role == pdroute::Role::decode ? pdroute::Capacity{.requests = 64} : pdroute::Capacity{};
  }
};

int main() {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Pod>;
  const std::vector<Pod> before{{"engine-0", "uid-1"}};
  const std::vector<Pod> after{{"engine-0", "uid-2"}};  // the pod was replaced under its old name
  auto router = Router::create({.prefill = before, .decode = before}).value();
  const auto old_request = router.decode();
  const auto report = router.assign(pdroute::Role::decode, after).value();
  fmt::print("removed {}, added {}\n", report.removed.size(), report.added.size());
  fmt::print("the new life has {} in flight\n", router.endpoints(pdroute::Role::decode)[0].in_flight);
  fmt::print("the old request still runs on {}\n", (*old_request)->uid());
}
