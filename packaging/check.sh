#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing (Debian packages) and tests each way to take the library in that CMake's tests do not: Meson,
# the C++20 module, and the recipes for vcpkg, Conan and Bazel.
set -euo pipefail
cd "$(dirname "$0")/.."
source cmake/need-packages.sh
need_packages g++ cmake meson ninja-build pkg-config python3 clang-19 libc++-19-dev libc++abi-19-dev

for check in meson module recipes; do
  status=0
  bash "tests/consumer/$check.sh" || status=$?
  if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
    echo "tests/consumer/$check.sh failed"
    exit 1
  fi
done
