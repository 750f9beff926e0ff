#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Takes pdroute into a Meson project twice, as a subproject and as the installed package, and runs the consumer program.
# Checks that the installed headers are those of include/, and that a later version is refused.
# Exits with 77 if Meson is not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
command -v meson >/dev/null || { echo "skipped: meson is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# meson SETUP... with its output only if it fails.
quiet() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }; }

version=$(python3 packaging/version.py)
mkdir -p "$work/consumer/subprojects"
cp tests/consumer/program/main.cpp "$work/consumer/"
cat >"$work/consumer/meson.build" <<EOF
project('consumer', 'cpp', default_options: ['cpp_std=c++20', 'warning_level=3', 'werror=true'])
pdroute_dep = dependency('pdroute', version: get_option('wanted'))
test('consumer', executable('consumer', 'main.cpp', dependencies: pdroute_dep))
EOF
echo "option('wanted', type: 'string', value: '$version')" >"$work/consumer/meson_options.txt"

# As a subproject: only what a user downloads, so that nothing else of this tree is needed.
mkdir "$work/consumer/subprojects/pdroute"
cp -r include packaging meson.build meson_options.txt LICENSE "$work/consumer/subprojects/pdroute/"
quiet meson setup --wrap-mode=nodownload --force-fallback-for=pdroute "$work/subproject" "$work/consumer"
quiet meson test -C "$work/subproject"
echo "meson: subproject, version $version"

# Installed, found by its pkg-config file.
rm -r "$work/consumer/subprojects"
quiet meson setup --prefix="$work/prefix" -Dtests=true "$work/library" "$root"
quiet meson test -C "$work/library"
quiet meson install -C "$work/library"
diff -r include/pdroute "$work/prefix/include/pdroute"
if ! command -v pkg-config >/dev/null; then
  echo "skipped: pkg-config is not installed, so the installed package was not tested"
  exit 0
fi
export PKG_CONFIG_PATH=$work/prefix/share/pkgconfig
quiet meson setup "$work/installed" "$work/consumer"
quiet meson test -C "$work/installed"
if meson setup -Dwanted='>=99' "$work/refused" "$work/consumer" >"$work/log" 2>&1; then
  echo "version 99 was not refused"
  exit 1
fi
grep -q "need: '>=99'" "$work/log" || { cat "$work/log"; exit 1; }
echo "meson: installed package, version $version"
