#!/usr/bin/env bash
# Builds the gateway and the emulated engine. Starts two prefill engines, two decode engines and the gateway in front of
# them, on free ports of this machine. Prints a command that sends a request. Ctrl-C ends all of them.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
programs="${PDROUTE_GATEWAY_PROGRAMS:-}"
if [ -z "$programs" ]; then
  source "$root/cmake/need-packages.sh"
  need_packages g++ cmake ninja-build curl libfmt-dev nlohmann-json3-dev zlib1g-dev libcli11-dev libfccp-dev libboost-dev libsimdjson-dev >&2
  programs="$root/build/examples/examples/gateway"
  cmake -S "$root" -B "$root/build/examples" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DPDROUTE_BUILD_TESTS=OFF -DPDROUTE_BUILD_BENCHMARKS=OFF -DPDROUTE_BUILD_GATEWAY=ON >/dev/null
  cmake --build "$root/build/examples" --target pdroute_gateway pdroute_engine >&2
fi

folder="$(mktemp -d)"
started=()
end() {
  trap - EXIT INT TERM
  [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
trap end EXIT
trap 'exit 0' INT TERM

# start NAME PROGRAM...: runs the program, and sets `address` to the address on which it listens.
start() {
  local name="$1" i
  shift
  : >"$folder/$name.out"
  "$@" >>"$folder/$name.out" 2>"$folder/$name.err" &
  started+=($!)
  for ((i = 0; i < 100; ++i)); do
    address="$(sed -n 's/^listening on //p' "$folder/$name.out")"
    [ -z "$address" ] || return 0
    sleep 0.05
  done
  echo "$name has not started:" >&2
  cat "$folder/$name.err" >&2
  exit 1
}

echo "listen 127.0.0.1:0" >"$folder/gateway.conf"
echo "model demo" >>"$folder/gateway.conf"
for role in prefill decode; do
  for i in 0 1; do
    id="${role:0:1}$i"
    start "$id" "$programs/engine/pdroute_engine" --role "$role" --listen 127.0.0.1:0 --id "$id" --time-scale 1
    echo "endpoint $role $id $address requests=64" >>"$folder/gateway.conf"
  done
done
start gateway "$programs/pdroute_gateway" --config "$folder/gateway.conf"
gateway=${started[-1]}

cat <<END
The gateway listens on $address, its configuration is $folder/gateway.conf. Ask it:

curl http://$address/v1/completions -H 'Content-Type: application/json' -d '{"model": "demo", "prompt": "Hello, engines", "max_tokens": 16}'

Ctrl-C ends it and its engines.
END
wait "$gateway"
