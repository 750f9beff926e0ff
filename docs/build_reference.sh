#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing (Debian packages) and writes the API reference to build/reference/index.html. A public name
# without a comment is an error. `docs/build_reference.sh --root FOLDER` does the same for another tree.
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
source "$here/cmake/need-packages.sh"
need_packages doxygen graphviz doxygen-awesome-css python3
root="$here"
[ "${1:-}" = --root ] && root="$2"
cd "$root"
mkdir -p build/reference
export PDROUTE_VERSION DOXYGEN_AWESOME=/usr/share/doxygen-awesome-css
PDROUTE_VERSION=$(python3 packaging/version.py)
status=0
doxygen docs/Doxyfile || status=1
python3 docs/reference_filter.py include || status=1
[ "$status" -eq 0 ] || { echo "the reference has errors"; exit 1; }
echo "wrote build/reference/index.html"
