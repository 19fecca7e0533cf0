#!/usr/bin/env bash
# Walks through the dashboard in a real Chromium. Needs Node.js with npm, and Chromium.
#
#   bash tests/browser/check.sh [a folder for screenshots]
set -euo pipefail
cd "$(dirname "$0")/../.."

work=target/browser
mkdir -p "$work"
cp tests/browser/*.mjs tests/browser/package.json tests/browser/package-lock.json "$work/"
(cd "$work" && npm ci --no-audit --no-fund --loglevel=error)
cargo build --locked --example trucustom --all-features
screenshots=${1:+$(realpath "$1")}
program=$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples/trucustom")
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
(cd "$work" && node walk.mjs "$program" "$chromium" $screenshots)
