#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares the latency of the example gateway with nginx, in front of the same emulated engines. Takes two and a half
# minutes:
# bash benchmarks/gateway/run.sh [--json FILE] [--rate N] [--rounds N] [--requests N] [--words N]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/cmake/need-packages.sh"
need_packages nginx libnginx-mod-http-js python3 >&2
programs=${PDROUTE_GATEWAY_PROGRAMS:-}
if [ -z "$programs" ]; then
  need_packages g++ cmake ninja-build libfmt-dev nlohmann-json3-dev zlib1g-dev libcli11-dev libfccp-dev libboost-dev libsimdjson-dev >&2
  programs=$root/build/examples/examples/gateway
  cmake -S "$root" -B "$root/build/examples" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DPDROUTE_BUILD_TESTS=OFF -DPDROUTE_BUILD_BENCHMARKS=OFF -DPDROUTE_BUILD_GATEWAY=ON >/dev/null
  cmake --build "$root/build/examples" --target pdroute_gateway pdroute_engine >&2
fi

commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
exec python3 "$root/benchmarks/gateway/compare.py" "$programs" --commit "$commit" "$@"
