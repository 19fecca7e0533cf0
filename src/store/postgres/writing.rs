//! Statements that write. Each is a whole change, so that it happens or does not.

/// All or nothing of each key: one with a digest that is known is left out as a whole, and one that
/// minds a limit where somebody else was faster. A digest or idempotency key that somebody else adds
/// at the same moment fails the statement. `IS TRUE` has the ids hashed, where joins would compare
/// each with each.
pub(super) const INSERT: &str = "\
WITH input AS (
    SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
        $6::timestamptz[], $7::boolean[], $8::timestamptz[], $9::text[], $10::text[],
        $11::bigint[], $12::text[])
    AS i (id, owner, name, scopes, created_at, expires_at, disabled, revoked_at, revoked_reason,
        metadata, changes, detail)
), secret AS (
    SELECT * FROM unnest($13::bytea[], $14::bigint[], $15::bytea[], $16::text[],
        $17::timestamptz[], $18::timestamptz[], $19::timestamptz[])
    AS v (key_id, number, digest, prefix, created_at, retires_at, last_used_at)
), known AS (
    SELECT DISTINCT v.key_id FROM secret v JOIN {p}secrets s ON s.digest = v.digest
), turn AS (
    INSERT INTO {p}turns AS t (bucket, number) SELECT $24::integer, 1 WHERE $24 IS NOT NULL
    ON CONFLICT (bucket) DO UPDATE SET number = t.number + 1 WHERE t.number = $25::bigint
    RETURNING bucket
), added AS (
    INSERT INTO {p}keys
        (id, owner, name, scopes, created_at, expires_at, disabled, revoked_at, revoked_reason,
        metadata, changes)
    SELECT id, owner, name, scopes, created_at, expires_at, disabled, revoked_at, revoked_reason,
        metadata, changes
    FROM input i
    WHERE i.id NOT IN (SELECT key_id FROM known) AND ($24 IS NULL OR EXISTS (SELECT FROM turn))
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), outcome AS MATERIALIZED (
    SELECT i.id, i.owner, i.detail, i.id IN (SELECT id FROM added) AS is_new FROM input i
), kept AS (
    INSERT INTO {p}secrets
        (key_id, number, digest, prefix, created_at, retires_at, last_used_at)
    SELECT v.* FROM secret v WHERE (v.key_id IN (SELECT id FROM added)) IS TRUE
), remembered AS (
    INSERT INTO {p}idempotency (idempotency_key, key_id, at)
    SELECT $26::bytea, a.id, $20::bigint FROM added a WHERE $26 IS NOT NULL
), entered AS (
    INSERT INTO {p}audit (at, action, key_id, owner, actor, reason, detail)
    SELECT $20, $21::text, o.id, o.owner, $22::text, $23::text, o.detail
    FROM outcome o WHERE o.is_new
), told AS (
    SELECT pg_notify('{p}changes', 'a' || string_agg(encode(id, 'hex'), ''))
    FROM added HAVING count(*) > 0
)
SELECT o.id, o.is_new, k.id IS NULL AND o.id IN (SELECT key_id FROM known),
    $24 IS NOT NULL AND NOT EXISTS (SELECT FROM turn)
FROM outcome o
LEFT JOIN {p}keys k ON k.id = o.id
LEFT JOIN told ON true";

/// No row where somebody else was faster; then nothing is written. `last_used_at` is left alone.
/// Secrets and exercised scopes are locked in the order in which uses lock them.
pub(super) const CHANGE: &str = "\
WITH changed AS (
    UPDATE {p}keys SET name = $3, scopes = $4, expires_at = $5, disabled = $6, revoked_at = $7,
        revoked_reason = $8, metadata = $9, changes = $10, written = written + 1
    WHERE id = $1 AND written = $2
    RETURNING id, owner
), version AS (
    SELECT * FROM unnest($11::bigint[], $12::bytea[], $13::text[], $14::timestamptz[],
        $15::timestamptz[])
    AS v (number, digest, prefix, created_at, retires_at)
), touched AS (
    SELECT s.digest, v.number IS NULL AS is_dropped, v.retires_at
    FROM changed c JOIN {p}secrets s ON s.key_id = c.id LEFT JOIN version v ON v.number = s.number
    WHERE v.number IS NULL OR s.retires_at IS DISTINCT FROM v.retires_at
    ORDER BY s.number
    FOR NO KEY UPDATE OF s
), dropped AS (
    DELETE FROM {p}secrets s USING touched t WHERE s.digest = t.digest AND t.is_dropped
), ended AS (
    UPDATE {p}secrets s SET retires_at = t.retires_at FROM touched t
    WHERE s.digest = t.digest AND NOT t.is_dropped
), added AS (
    INSERT INTO {p}secrets (key_id, number, digest, prefix, created_at, retires_at)
    SELECT c.id, v.* FROM changed c CROSS JOIN version v
    WHERE NOT EXISTS (
        SELECT FROM {p}secrets s WHERE s.key_id = c.id AND s.number = v.number
    )
), entered AS (
    INSERT INTO {p}audit (at, action, key_id, owner, actor, reason, detail)
    SELECT $16::bigint, $17::text, id, owner, $18::text, $19::text, $20::text FROM changed
), outdated AS (
    SELECT e.key_id, e.scope
    FROM changed c JOIN {p}scope_uses e ON e.key_id = c.id
    WHERE $22::boolean
    ORDER BY e.scope
    FOR UPDATE OF e
), forgotten AS (
    DELETE FROM {p}scope_uses e USING outdated o WHERE e.key_id = o.key_id AND e.scope = o.scope
)
SELECT pg_notify('{p}changes', $21::text || encode(id, 'hex')) FROM changed";

/// What else there is of the key goes by its references.
pub(super) const DELETE: &str = "\
WITH gone AS (
    DELETE FROM {p}keys WHERE id = $1 AND written = $2 RETURNING id, owner
), entered AS (
    INSERT INTO {p}audit (at, action, key_id, owner, actor, reason, detail)
    SELECT $3::bigint, $4::text, id, owner, $5::text, $6::text, $7::text FROM gone
)
SELECT pg_notify('{p}changes', 'c' || encode(id, 'hex')) FROM gone";

/// Nothing where the writer's batch was counted before. Rows are locked in one order, so that two
/// batches at once do not lock each other out; a key so that it is not deleted meanwhile, which
/// keeps no change waiting. Sums end at the greatest number. Scopes whose hours are known
/// already are left alone.
pub(super) const USE: &str = "\
WITH heard AS (
    INSERT INTO {p}writers AS w (writer, sequence, heard_at) VALUES ($1, $2, $3)
    ON CONFLICT (writer) DO UPDATE
    SET sequence = EXCLUDED.sequence, heard_at = GREATEST(w.heard_at, EXCLUDED.heard_at)
    WHERE w.sequence < EXCLUDED.sequence
    RETURNING writer
), due AS (
    SELECT s.digest, u.*
    FROM heard
    CROSS JOIN unnest($4::bytea[], $5::bigint[], $6::timestamptz[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::text[])
    AS u (key_id, number, used_at, hour, allowed, refused, exercised)
    JOIN {p}keys k ON k.id = u.key_id
    JOIN {p}secrets s ON s.key_id = u.key_id AND s.number = u.number
    ORDER BY u.key_id, u.number, u.hour
    FOR KEY SHARE OF k FOR NO KEY UPDATE OF s
), latest AS (
    SELECT digest, max(used_at) AS used_at FROM due GROUP BY digest
), noted AS (
    UPDATE {p}secrets s SET last_used_at = GREATEST(s.last_used_at, l.used_at)
    FROM latest l
    WHERE s.digest = l.digest AND (s.last_used_at IS NULL OR s.last_used_at < l.used_at)
), exercised AS (
    SELECT d.key_id, e.scope, min(d.hour) AS first_hour, max(d.hour) AS last_hour
    FROM due d CROSS JOIN unnest(string_to_array(d.exercised, ' ')) AS e (scope)
    GROUP BY d.key_id, e.scope
), widened AS (
    INSERT INTO {p}scope_uses AS k (key_id, scope, first_hour, last_hour)
    SELECT e.* FROM exercised e
    WHERE NOT EXISTS (
        SELECT FROM {p}scope_uses n WHERE n.key_id = e.key_id AND n.scope = e.scope
        AND n.first_hour <= e.first_hour AND n.last_hour >= e.last_hour
    )
    ORDER BY e.key_id, e.scope COLLATE \"C\"
    ON CONFLICT (key_id, scope) DO UPDATE SET
        first_hour = LEAST(k.first_hour, EXCLUDED.first_hour),
        last_hour = GREATEST(k.last_hour, EXCLUDED.last_hour)
)
INSERT INTO {p}usage AS u (key_id, hour, number, allowed, refused)
SELECT key_id, hour, number, allowed, refused FROM due WHERE allowed > 0 OR refused > 0
ON CONFLICT (key_id, hour, number) DO UPDATE SET
    allowed = LEAST(u.allowed, 9223372036854775807 - EXCLUDED.allowed) + EXCLUDED.allowed,
    refused = LEAST(u.refused, 9223372036854775807 - EXCLUDED.refused) + EXCLUDED.refused";

/// Some at a time, so that nothing is locked for long. It waits for nobody: what somebody else has
/// locked at this moment is in use, or is forgotten by another process.
pub(super) const FORGET: &str = "\
WITH gone AS (
    DELETE FROM {p}{table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {p}{table} WHERE {time} < $1 ORDER BY {time} LIMIT $2
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING 1
)
SELECT count(*) FROM gone";
