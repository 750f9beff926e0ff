// SPDX-License-Identifier: Apache-2.0
// Includes Catch2, major version 2 or 3, whichever is installed. No other file includes it directly.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
