#!/usr/bin/env bash
# Renders every Mermaid picture of README.md and docs/ and fails if one does not render. Installs what is missing.
# The pictures are written to build/pictures/, to be looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
source cmake/need-packages.sh
command -v node >/dev/null || need_packages nodejs
command -v npm >/dev/null || need_packages npm
[ -x /usr/bin/chromium ] || need_packages chromium
fc-list 2>/dev/null | grep -q . || need_packages fontconfig fonts-dejavu-core

modules=build/node-pictures/node_modules
if [ ! -f "$modules/mermaid/dist/mermaid.min.js" ] || [ ! -d "$modules/puppeteer-core" ]; then
  mkdir -p build/node-pictures
  timeout 600 npm install --prefix build/node-pictures --ignore-scripts --no-audit --no-fund --no-package-lock \
    mermaid@11 puppeteer-core@24 >/dev/null
fi
timeout 600 node docs/check_pictures.mjs
