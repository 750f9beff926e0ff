#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs the benchmarks: bash benchmarks/run.sh [--json FILE] [--filter REGEX] [--repetitions N]
# To use another compiler than g++, set CXX in the environment, such as CXX=clang++.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/benchmarks

source "$root/cmake/need-packages.sh"
need_packages cmake ninja-build g++ libbenchmark-dev libfmt-dev nlohmann-json3-dev

log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
  # Configures from scratch, because the compiler may have changed since the last time.
  cmake --fresh -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="${CXX:-g++}" \
    -DPDROUTE_BUILD_TESTS=OFF -DPDROUTE_BUILD_EXAMPLES=OFF -DPDROUTE_BUILD_BENCHMARKS=ON -DPDROUTE_INSTALL=OFF &&
    cmake --build "$build"
} >"$log" 2>&1 || { cat "$log" >&2; exit 1; }

commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
"$build/benchmarks/pdroute_benchmarks" --commit "$commit" "$@"
