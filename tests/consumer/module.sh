#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Precompiles the C++20 module `pdroute`, then builds and runs a program that imports it, with each standard library
# that is installed. Checks that the module exports every public name: module.sh [COMPILER]
# Exits with 77 if the compiler is not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=${1:-clang++-19}
command -v "$compiler" >/dev/null || { echo "skipped: $compiler is not installed"; exit 77; }
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

python3 tests/consumer/module_names.py include modules/pdroute.cppm
tested=0
for library in libstdc++ libc++; do
  flags=(-std=c++20 "-stdlib=$library" -Wall -Wextra -Werror -Iinclude)
  echo 'int main() {}' >"$build/empty.cpp"
  if ! "$compiler" "${flags[@]}" -include vector "$build/empty.cpp" -o "$build/empty" 2>/dev/null; then
    echo "skipped: $library is not installed for $compiler"
    continue
  fi
  "$compiler" "${flags[@]}" --precompile modules/pdroute.cppm -o "$build/pdroute.pcm"
  "$compiler" "${flags[@]}" -fmodule-file=pdroute="$build/pdroute.pcm" tests/consumer/module_program/*.cpp -o "$build/consumer"
  "$build/consumer"
  echo "module: $compiler with $library"
  tested=$((tested + 1))
done
[ "$tested" -gt 0 ] || { echo "skipped: $compiler has no standard library"; exit 77; }
