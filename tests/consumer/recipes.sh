#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the recipes for vcpkg, Conan and Bazel as far as it can be done without these tools, and says what was not
# checked. Each recipe runs with stand-ins for the functions of its tool; what it installs is compared with include/ and
# the consumer program is compiled with it. Where a tool is installed, bazel.sh and `conan create` are run as well.
# Exits with 77 if CMake or a compiler is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=${CXX:-g++}
command -v cmake >/dev/null || { echo "skipped: cmake is not installed"; exit 77; }
command -v "$compiler" >/dev/null || { echo "skipped: $compiler is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(python3 packaging/version.py)

# The headers in a folder are those of include/, and the program works with them.
same_headers() {
  diff -r include/pdroute "$1/pdroute"
  "$compiler" -std=c++20 "-I$1" tests/consumer/program/main.cpp -o "$work/consumer"
  "$work/consumer"
}

python3 - "$version" <<'EOF'
import json, sys
port = json.load(open("packaging/vcpkg/vcpkg.json", encoding="utf-8"))
assert port["name"] == "pdroute" and port["license"] == "Apache-2.0"
assert port["version"] == sys.argv[1], f"vcpkg.json says {port['version']}, the header says {sys.argv[1]}"
EOF
cmake "-DPORTFILE=$PWD/packaging/vcpkg/portfile.cmake" "-DWORK=$work/vcpkg" -P tests/consumer/recipes/vcpkg_stand_in.cmake \
  >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
same_headers "$work/vcpkg/pdroute/include"
[ -s "$work/vcpkg/pdroute/share/pdroute/usage" ] && [ -s "$work/vcpkg/pdroute/share/pdroute/copyright" ]
echo "vcpkg: checked the manifest, and the portfile with stand-ins for vcpkg's functions; not checked: vcpkg itself"

python3 tests/consumer/recipes/conan_stand_in.py "$PWD" "$work/conan" "$version"
same_headers "$work/conan/package/include"
if command -v conan >/dev/null; then
  conan create packaging/conan -s compiler.cppstd=20
  echo "conan: created the package and ran its test"
else
  echo "conan: checked the recipe with stand-ins for Conan's functions; not checked: Conan itself, test_package"
fi

python3 tests/consumer/recipes/bazel_stand_in.py "$PWD" "$version"
if command -v bazel >/dev/null; then
  bash tests/consumer/bazel.sh
else
  echo "bazel: checked the files, read as Python; not checked: Bazel itself"
fi
