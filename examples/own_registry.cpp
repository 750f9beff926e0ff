// SPDX-License-Identifier: Apache-2.0
// A policy without pool and router: it selects over the gateway's own list, under the gateway's own lock.
#include <fmt/core.h>

#include <mutex>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

struct Node {
  std::string url;
  int busy = 0;
};

class Registry {
 public:
  explicit Registry(std::vector<Node> nodes) : nodes_(std::move(nodes)) {}

  std::string take() {
    const std::unique_lock lock{mutex_};
    const auto i = policy_.select(nodes_, pdroute::Request{}, context_);
    if (!i) return "no node";
    ++nodes_[*i].busy;
    return nodes_[*i].url;
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::vector<Node> nodes_;
  pdroute::RoundRobinPolicy<> policy_;
  pdroute::LocalContext<pdroute::RoundRobinPolicy<>> context_{policy_};
};

int main() {
  Registry registry({{"http://a"}, {"http://b"}});
  for (int i = 0; i < 3; ++i) fmt::print("{}\n", registry.take());
}
