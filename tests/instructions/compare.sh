#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that a route without a filter costs the same whether or not the program uses filters elsewhere. Counts
# instructions, not time. Usage: compare.sh PLAIN_PROGRAM FILTERING_PROGRAM; exits with 77 if there is no valgrind.
set -euo pipefail
command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 77; }

counted() {  # program policy decisions -> instructions
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 | awk '/Collected/ { print $NF }'
}
per_route() {  # program policy -> instructions of one route, in hundredths
  echo $((($(counted "$1" "$2" 60000) - $(counted "$1" "$2" 10000)) / 500))
}

status=0
for policy in random round_robin; do
  plain=$(per_route "$1" $policy)
  filtering=$(per_route "$2" $policy)
  difference=$((plain > filtering ? plain - filtering : filtering - plain))
  printf '%-12s instructions a route: %d.%02d alone, %d.%02d beside filters\n' $policy \
    $((plain / 100)) $((plain % 100)) $((filtering / 100)) $((filtering % 100))
  # The difference may be 2 % of the plain count. A plain count near zero means that the counting itself has failed.
  if ((plain < 1000 || difference * 50 > plain)); then status=1; fi
done
exit $status
