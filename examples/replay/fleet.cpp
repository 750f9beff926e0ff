// SPDX-License-Identifier: Apache-2.0
// The endpoints of a replay from the operator's side.
#include "fleet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <pdroute/role.hpp>
#include <string>
#include <utility>
#include <vector>

namespace replay {

Fleet::Fleet(pdroute::Role role, std::size_t endpoints) : role_(role), endpoints_(endpoints) {
  for (std::size_t i = 0; i < endpoints; ++i) members_.push_back(new_incarnation(i));
}

std::string Fleet::id(std::size_t number) const {
  return fmt::format("{}{}", role_ == pdroute::Role::prefill ? 'p' : 'd', number);
}

void Fleet::drain(std::size_t number) {
  const auto place = place_of(number);
  assert(place != members_.end() && place->life->number == number && "only a member can be drained");
  place->life->draining = true;
}

void Fleet::remove(std::size_t number) {
  const auto place = place_of(number);
  assert(place != members_.end() && place->life->number == number && "only a member can be removed");
  members_.erase(place);
}

void Fleet::restore(std::size_t number) {
  const auto place = place_of(number);
  if (place != members_.end() && place->life->number == number) {
    *place = new_incarnation(number);
  } else {
    members_.insert(place, new_incarnation(number));
  }
}

std::size_t Fleet::strays() const {
  const auto alive = std::count_if(lives_.begin(), lives_.end(), [](const auto& life) { return !life.expired(); });
  return static_cast<std::size_t>(alive) - members_.size();
}

std::vector<ReplayEndpoint>::iterator Fleet::place_of(std::size_t number) {
  return std::lower_bound(members_.begin(), members_.end(), number,
                          [](const ReplayEndpoint& member, std::size_t n) { return member.life->number < n; });
}

ReplayEndpoint Fleet::new_incarnation(std::size_t number) {
  auto life = std::make_shared<Life>(Life{.number = number});
  lives_.push_back(life);
  return {.id = id(number), .incarnation = lives_.size(), .life = std::move(life)};
}

}  // namespace replay
