#!/usr/bin/env bash
# Starts the example on a free port, and runs its tour.
set -euo pipefail
cd "$(dirname "$0")/../.."

log=target/management.log
mkdir -p target
cargo build --locked --example management --features management,tokio
LISTEN=127.0.0.1:0 "${CARGO_TARGET_DIR:-target}/debug/examples/management" >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT

for _ in $(seq 100); do
    base=$(sed -n 's/^Listening on \(http:[^ ]*[0-9]\).*/\1/p' "$log")
    [ -n "$base" ] && break
    kill -0 "$server" || { cat "$log" >&2; exit 1; }
    sleep 0.1
done
MANAGEMENT_KEY=$(grep -o 'tc_[0-9a-f]\{64\}' "$log" | head -1)
export MANAGEMENT_KEY
bash examples/management/tour.sh "$base/api/v1"
kill -INT "$server"
wait "$server"
