// SPDX-License-Identifier: Apache-2.0
// Who is chosen in an explanation, for tests.
#pragma once

#include <pdroute/router/explanation.hpp>

/// The one that is chosen; if there is none, one without a name.
template <class ExplainedRole>
auto chosen(const ExplainedRole& role) {
  const auto* const found = role.chosen();
  return found != nullptr ? *found : typename decltype(role.endpoints)::value_type{};
}
