#!/usr/bin/env bash
# Installs what is missing (Debian packages), builds the examples, and replays a generated request trace through the
# router. Further arguments go to pdroute_replay: see `bash examples/run.sh --help`.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
source "$root/cmake/need-packages.sh"
need_packages g++ cmake ninja-build libfmt-dev nlohmann-json3-dev zlib1g-dev libcli11-dev libfccp-dev >&2
build="$root/build/examples"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DPDROUTE_BUILD_TESTS=OFF -DPDROUTE_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build "$build" >&2
exec "$build/examples/replay/pdroute_replay" "$@"
