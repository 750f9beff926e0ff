#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs the consumer's program with what pkg-config says, and without CMake:
#   PKG_CONFIG_PATH=folder pkg_config.sh VERSION PROGRAM COMPILER FLAG...
# Exits with 77 if there is no pkg-config.
set -euo pipefail
command -v pkg-config >/dev/null || { echo "skipped: pkg-config is not installed"; exit 77; }
version=$1 program=$2
shift 2

[ "$(pkg-config --modversion pdroute)" = "$version" ] || { echo "pkg-config finds another version than $version"; exit 1; }
if pkg-config --exists "pdroute >= 99"; then echo "version 99 was not refused"; exit 1; fi
read -r -a flags <<<"$(pkg-config --cflags pdroute)"
"$@" -std=c++20 "${flags[@]}" "$(dirname "$0")/program/main.cpp" -o "$program"
"$program"
