// SPDX-License-Identifier: Apache-2.0
// A slot for tests. It has the pin of a pool's membership, and `lease` reserves it.
#pragma once

#include <cstdint>
#include <pdroute/load/no_load.hpp>
#include <pdroute/pool/detail/slot.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <utility>

#include "catch2_compat.hpp"
#include "engines.hpp"

template <pdroute::Role role = pdroute::Role::prefill, class Load = pdroute::NoLoad>
struct Member {
  using Slot = pdroute::detail::Slot<role, Engine, Load>;
  using Lease = pdroute::Lease<Slot>;

  explicit Member(std::string id = "p0", std::uint64_t incarnation = 3, typename Load::Options options = {},
                  std::uint32_t row_limit = 0)
      : slot(new Slot(Engine{std::move(id)}, incarnation, options, row_limit)) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() { Slot::end_pin(slot); }

  [[nodiscard]] Lease lease(const pdroute::Request& request = {}) const {
    typename Slot::Held held{};
    const auto reservation = slot->try_reserve(request, held);
    REQUIRE(reservation.attempt == Slot::Attempt::reserved);
    return Lease{reservation.place, held};
  }

  Slot* slot;
};
