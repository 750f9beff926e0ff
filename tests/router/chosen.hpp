// SPDX-License-Identifier: Apache-2.0
// Reads the chosen endpoint of an explanation, for tests.
#pragma once

#include <pdroute/router/explanation.hpp>

/// The explanation of the chosen endpoint. It is default-constructed if no endpoint is chosen.
template <class ExplainedRole>
auto chosen(const ExplainedRole& role) {
  const auto* const found = role.chosen();
  return found != nullptr ? *found : typename decltype(role.endpoints)::value_type{};
}
