#!/usr/bin/env bash
# Attacks the management API with what its own OpenAPI document allows and forbids, and holds every
# answer to that document. Needs Python 3 with venv, and curl.
set -euo pipefail
cd "$(dirname "$0")/../.."
. examples/management/listening.sh

EXAMPLES=${EXAMPLES:-60}
SEED=${SEED:-1}
work=target/openapi
log=$work/server.log

mkdir -p "$work"
if ! cmp -s tests/openapi/requirements.txt "$work/venv/requirements.txt"; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q --disable-pip-version-check -r tests/openapi/requirements.txt
    cp tests/openapi/requirements.txt "$work/venv/requirements.txt"
fi

cargo build --locked --example management --features management,tokio
LISTEN=127.0.0.1:0 "${CARGO_TARGET_DIR:-target}/debug/examples/management" >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT

base=$(listening "$log" "$server")
key=$(grep -o 'tc_[0-9a-f]\{64\}' "$log" | head -1)

own=$(curl -s "$base/api/v1/keys?limit=1" -H "X-API-Key: $key" | grep -o 'key_[0-9a-f]\{32\}' | head -1)
export OWN_ID=$own SCHEMATHESIS_HOOKS=hooks
export PYTHONPATH=$PWD/tests/openapi PYTHONDONTWRITEBYTECODE=1

# Several phases share the server, so that later ones meet the keys of earlier ones.
"$work/venv/bin/st" --config-file tests/openapi/schemathesis.toml run "$base/api/v1/openapi.json" \
    --header "Authorization: Bearer $key" \
    --checks all --mode all --max-examples "$EXAMPLES" --seed "$SEED" \
    --workers 1 --no-color
kill -0 "$server" || { echo 'error: the server has died' >&2; exit 1; }
