#!/usr/bin/env bash
# Checks that this crate's SQLite store and sqlx's SQLite driver, as both are published today,
# resolve to one copy of the C library that both link, and compile together.
set -euo pipefail
cd "$(dirname "$0")"

rm -f Cargo.lock
cargo generate-lockfile
versions() { grep -A1 "^name = \"$1\"$" Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p'; }
for crate in libsqlite3-sys rusqlite sqlx; do
    found=$(versions "$crate")
    echo "$crate: ${found//$'\n'/ }"
    if [ "$(wc -l <<<"$found")" -ne 1 ] || [ -z "$found" ]; then
        echo "error: expected one version of $crate" >&2
        exit 1
    fi
done
# Not below tests/, whose files others read.
cargo check --locked --target-dir "${CARGO_TARGET_DIR:-../../target}/lockfile"
