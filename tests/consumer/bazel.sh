#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs the consumer program with Bazel. The rules that Bazel would download are replaced by Bazel's own, so
# that no network is needed; a Bazel from version 7 on has no such rules, and downloads rules_cc.
# Exits with 77 if Bazel is not installed (Debian: apt-get install bazel-bootstrap, which is 4.2).
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v bazel >/dev/null || { echo "skipped: bazel is not installed"; exit 77; }
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir -p "$work/pdroute/tests/consumer/program"
cp -r include LICENSE BUILD.bazel MODULE.bazel "$work/pdroute/"
cp tests/consumer/program/main.cpp "$work/pdroute/tests/consumer/program/"

# stand_in REPOSITORY FOLDER RULE...: a repository; its FOLDER/defs.bzl names Bazel's own rules.
stand_in() {
  mkdir -p "$work/$1/$2"
  touch "$work/$1/WORKSPACE" "$work/$1/$2/BUILD"
  printf '%s\n' "${@:3}" | sed 's/.*/& = native.&/' >"$work/$1/$2/defs.bzl"
  echo "local_repository(name = \"$1\", path = \"$work/$1\")" >>"$work/pdroute/WORKSPACE"
}
bazel=(bazel "--output_user_root=$work/root" --batch)
options=(--test_output=errors)
version=$(bazel --version 2>/dev/null)  # Debian's says "bazel no_version"
if [[ "$version" =~ no_version|\ [4-6]\. ]]; then
  echo 'workspace(name = "pdroute")' >"$work/pdroute/WORKSPACE"
  stand_in rules_cc cc cc_library cc_test cc_binary cc_import cc_proto_library cc_toolchain cc_toolchain_suite objc_library
  stand_in rules_java java java_binary java_import java_library java_toolchain java_runtime
  stand_in rules_proto proto proto_lang_toolchain proto_library
  stand_in rules_python python py_library py_binary
  printf 'def py_runtime_pair(**_named):\n    pass\n' >>"$work/rules_python/python/defs.bzl"
  mkdir "$work/coverage"
  touch "$work/coverage/WORKSPACE"
  printf 'filegroup(name = "%s", visibility = ["//visibility:public"])\n' coverage_report_generator lcov_merger >"$work/coverage/BUILD"
  options+=("--override_repository=remote_coverage_tools=$work/coverage")
fi
cd "$work/pdroute"
"${bazel[@]}" test //:consumer "${options[@]}" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
echo "bazel: built the consumer and ran it ($version)"
