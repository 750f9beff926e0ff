// SPDX-License-Identifier: Apache-2.0
// The error message of an action that should be refused.
#pragma once

#include <exception>
#include <string>

/// The message of what `action` throws, or "nothing".
template <class Action>
[[nodiscard]] std::string refusal(const Action& action) {
  try {
    static_cast<void>(action());
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing";
}
