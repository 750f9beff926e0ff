// SPDX-License-Identifier: Apache-2.0
// The library's version, written once: CMake reads it from here.
#pragma once

namespace pdroute {
inline namespace v0 {

inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;

}  // namespace v0
}  // namespace pdroute
