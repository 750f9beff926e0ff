// SPDX-License-Identifier: Apache-2.0
// The library's version. CMake reads it from this header.
#pragma once

namespace pdroute {
inline namespace v0 {

inline constexpr int version_major = 0;  ///< the major version
inline constexpr int version_minor = 1;  ///< the minor version; until 1.0 only equal ones are compatible
inline constexpr int version_patch = 0;  ///< the patch version

}  // namespace v0
}  // namespace pdroute
