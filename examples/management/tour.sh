#!/usr/bin/env bash
# The life of a key, by curl alone: made, used, rotated, revoked and looked at.
#
#   MANAGEMENT_KEY=tc_… bash examples/management/tour.sh [http://127.0.0.1:3000/api/v1]
#
# The server is one that the example `management` or `trucustom` serves; each step says the status that
# it expects, and the script stops at the first that differs.
set -euo pipefail

api=${1:-http://127.0.0.1:3000/api/v1}
# A resource that GET and POST reach with any key that has the scope.
resource=${RESOURCE:-$api/whoami}
: "${MANAGEMENT_KEY:?expected a key with the scope keys:manage}"
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# request STATUS WHAT ARGUMENTS…: sends a request, and shows what came.
request() {
    local expected=$1 what=$2 status
    shift 2
    status=$(curl -s -o "$answer" -w '%{http_code}' --noproxy '*' "$@")
    # Plaintexts are for the client alone.
    printf '%s %s\n    %s\n' "$status" "$what" \
        "$(sed -E 's/(tc_[0-9a-f]{8})[0-9a-f]{56}/\1…/g' "$answer" | head -c 400)"
    if [ "$status" != "$expected" ]; then
        echo "error: expected $expected" >&2
        exit 1
    fi
}
plaintext() { grep -oE 'tc_[0-9a-f]{64}' "$answer"; }
manage() { request "$1" "$2" -H "Authorization: Bearer $MANAGEMENT_KEY" "${@:3}"; }
json='Content-Type: application/json'

manage 201 'make a key that may read, for 90 days' "$api/keys" -H "$json" \
    -d '{"name":"Tour","scopes":["read"],"expires_in_days":90,"metadata":{"team":"docs"}}'
key=$(plaintext)
id=$(grep -oE '"id":"key_[0-9a-f]{32}"' "$answer" | cut -d'"' -f4)
request 200 'use it, as Authorization' "$resource" -H "Authorization: Bearer $key"
request 200 'use it, as X-API-Key' "$resource" -H "X-API-Key: $key"
request 403 'it lacks write' -X POST "$resource" -H "Authorization: Bearer $key"
request 403 'it may not manage keys' "$api/keys" -H "Authorization: Bearer $key"

manage 200 'rotate it; both secrets work for 2 seconds' "$api/keys/$id/rotate" -H "$json" \
    -d '{"grace_seconds":2}'
new=$(plaintext)
request 200 'the new secret' "$resource" -H "Authorization: Bearer $new"
request 200 'the old secret, still' "$resource" -H "Authorization: Bearer $key"
sleep 2.5
request 401 'the old secret, no more' "$resource" -H "Authorization: Bearer $key"
request 200 'the new secret' "$resource" -H "Authorization: Bearer $new"

if [ "${resource##*/}" = products ]; then
    product='{"name":"Oak table","price_cents":89900}'
    manage 201 'make a product, which takes write' "$resource" -H "$json" -d "$product"
    made=$resource/$(grep -oE '"id":[0-9]+' "$answer" | cut -d: -f2)
    request 200 'look at it' "$made" -H "Authorization: Bearer $new"
    manage 200 'replace it' -X PUT "$made" -H "$json" -d '{"name":"Oak desk","price_cents":69900}'
    manage 200 'change its price' -X PATCH "$made" -H "$json" -d '{"price_cents":64900}'
    request 403 'the new key may not change it' -X PATCH "$made" -H "Authorization: Bearer $new" \
        -H "$json" -d '{"price_cents":1}'
    request 403 'nor delete it' -X DELETE "$made" -H "Authorization: Bearer $new"
    manage 204 'delete it, which takes delete' -X DELETE "$made"
    request 404 'it is gone' "$made" -H "Authorization: Bearer $new"
fi

# As GNU writes it, or BSD.
soon=$(date -u -d '+5 seconds' +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -v+5S +%Y-%m-%dT%H:%M:%SZ)
manage 201 'make a key that ends in 5 seconds' "$api/keys" -H "$json" \
    -d "{\"name\":\"Short\",\"scopes\":[\"read\"],\"expires_at\":\"$soon\"}"
short=$(plaintext)
request 200 'use it' "$resource" -H "Authorization: Bearer $short"
sleep 5
request 401 'it has expired' "$resource" -H "Authorization: Bearer $short"

manage 200 'its usage' "$api/keys/$id/usage"
manage 200 'advice on it' "$api/keys/$id/advice"
manage 200 'revoke it' "$api/keys/$id/revoke" -H "$json" -d '{"reason":"end of the tour"}'
request 401 'the new secret, no more' "$resource" -H "Authorization: Bearer $new"
manage 200 'who did what' "$api/audit"
echo 'The tour is complete.'
