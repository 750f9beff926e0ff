#!/usr/bin/env bash
# Installs what is missing (Debian packages), builds, and runs every test. Further arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
source cmake/need-packages.sh
need_packages g++ cmake ninja-build catch2 libfmt-dev nlohmann-json3-dev zlib1g-dev libcli11-dev libfccp-dev valgrind \
  prometheus pkg-config libboost-dev libsimdjson-dev wrk  # prometheus has promtool, which reads what the adapter writes
command -v node >/dev/null || need_packages nodejs
command -v npm >/dev/null || need_packages npm
# OpenAI's client, which asks the example gateway. Without it one test is skipped and says so.
[ -d build/node/node_modules/openai ] ||
  timeout 300 npm install --prefix build/node --ignore-scripts --no-audit --no-fund --no-package-lock openai@6 >/dev/null ||
  echo "npm could not install openai: the test gateway_openai will be skipped" >&2
cmake --preset dev -DPDROUTE_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build --preset dev
ctest --preset dev --progress "$@"
