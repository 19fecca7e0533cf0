//! Statements that read.

pub(super) const FIND: &str = "\
SELECT {columns} FROM {p}secrets f
JOIN {p}keys k ON k.id = f.key_id
JOIN {p}secrets s ON s.key_id = f.key_id
WHERE f.digest = $1";

pub(super) const GET: &str = "\
SELECT {columns}, k.written
FROM {p}keys k LEFT JOIN {p}secrets s ON s.key_id = k.id WHERE k.id = $1";

/// Every id is greater than the empty one.
pub(super) const LIST: &str = "\
SELECT {columns}
FROM (SELECT * FROM {p}keys WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3) k
LEFT JOIN {p}secrets s ON s.key_id = k.id
ORDER BY k.id";

pub(super) const AUDIT: &str = "\
SELECT number, at, action, key_id, actor, reason, detail FROM {p}audit
WHERE owner = $1 AND number < $2 ORDER BY number DESC LIMIT $3";

pub(super) const USAGE: &str = "\
SELECT hour, number, allowed, refused FROM {p}usage
WHERE key_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour, number";

/// The key of the idempotency key; how many keys that are not revoked the owner has, up to a limit;
/// and the number of the last insert that minded a limit.
pub(super) const STANDING: &str = "\
SELECT
    (SELECT key_id FROM {p}idempotency WHERE idempotency_key = $1),
    (SELECT count(*) FROM (
        SELECT FROM {p}keys WHERE owner = $2 AND revoked_at IS NULL LIMIT $3
    ) k),
    coalesce((SELECT number FROM {p}turns WHERE bucket = $4), 0)";

pub(super) const SCOPE_USES: &str = "\
SELECT scope, first_hour, last_hour FROM {p}scope_uses WHERE key_id = $1 ORDER BY scope";
