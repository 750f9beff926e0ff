#!/usr/bin/env bash
# Installs what is missing (Debian packages), builds, and runs every test. Further arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
source cmake/need-packages.sh
need_packages g++ cmake ninja-build catch2 libfmt-dev nlohmann-json3-dev zlib1g-dev libcli11-dev libfccp-dev valgrind \
  prometheus pkg-config  # promtool, which reads what the adapter writes
cmake --preset dev -DPDROUTE_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build --preset dev
ctest --preset dev --progress "$@"
