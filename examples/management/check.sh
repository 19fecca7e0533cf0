#!/usr/bin/env bash
# Starts the example of that name on a free port, and runs the tour: `management`, or `trucustom`.
set -euo pipefail
cd "$(dirname "$0")/../.."
. examples/management/listening.sh

example=${1:-management}
case $example in
    management) features=management,tokio resource=whoami ;;
    trucustom) features=full resource=products ;;
    *) echo "error: expected management or trucustom, found $example" >&2; exit 1 ;;
esac
cargo build --locked --example "$example" --features "$features"
work=$(mktemp -d)
log=$work/log
LISTEN=127.0.0.1:0 STORE=$work/trucustom.db \
    "${CARGO_TARGET_DIR:-target}/debug/examples/$example" >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

base=$(listening "$log" "$server")
MANAGEMENT_KEY=$(grep -o 'tc_[0-9a-f]\{64\}' "$log" | head -1)
export MANAGEMENT_KEY
RESOURCE=$base/api/v1/$resource bash examples/management/tour.sh "$base/api/v1"
kill -INT "$server"
wait "$server"
