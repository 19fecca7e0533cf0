//! The tables.

/// What makes each version of the tables from the one before it; a step that was released never
/// changes.
pub(super) const STEPS: [&str; 2] = [TABLES, SCOPE_USES];

/// The tables of version 1.
///
/// - `written` begins at the time and rises with each change, so that a key that was deleted and
///   added anew is not taken for the one that was read before.
/// - `turns` counts the inserts that mind a limit, for owners by the thousand: each goes by the number
///   that it has read, so that of two at once, one is made anew.
/// - The times of changes and uses may be any, since a clock that is wrong must not keep a key from
///   being revoked: they are microseconds since 1970. A `timestamptz` holds none before 4713 BC.
const TABLES: &str = "\
CREATE TABLE {p}meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL
);
CREATE TABLE {p}keys (
    id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
    owner text COLLATE \"C\" NOT NULL,
    name text NOT NULL,
    scopes text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    disabled boolean NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    metadata text,
    changes bigint NOT NULL CHECK (changes BETWEEN 0 AND 4294967295),
    written bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX {p}keys_by_owner ON {p}keys (owner, id);
CREATE TABLE {p}secrets (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    key_id bytea NOT NULL REFERENCES {p}keys ON DELETE CASCADE,
    number bigint NOT NULL CHECK (number BETWEEN 0 AND 4294967295),
    prefix text NOT NULL,
    created_at timestamptz NOT NULL,
    retires_at timestamptz,
    last_used_at timestamptz,
    UNIQUE (key_id, number)
) WITH (fillfactor = 80);
CREATE TABLE {p}turns (
    bucket integer PRIMARY KEY,
    number bigint NOT NULL
);
CREATE TABLE {p}idempotency (
    idempotency_key bytea PRIMARY KEY CHECK (octet_length(idempotency_key) = 32),
    key_id bytea NOT NULL UNIQUE REFERENCES {p}keys ON DELETE CASCADE,
    at bigint NOT NULL
);
CREATE INDEX {p}idempotency_by_time ON {p}idempotency (at);
CREATE TABLE {p}audit (
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at bigint NOT NULL,
    action text NOT NULL,
    key_id bytea NOT NULL,
    owner text COLLATE \"C\" NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (owner, number)
);
CREATE INDEX {p}audit_by_time ON {p}audit (at);
CREATE TABLE {p}usage (
    key_id bytea NOT NULL REFERENCES {p}keys ON DELETE CASCADE,
    hour bigint NOT NULL,
    number bigint NOT NULL,
    allowed bigint NOT NULL,
    refused bigint NOT NULL,
    PRIMARY KEY (key_id, hour, number)
) WITH (fillfactor = 80);
CREATE INDEX {p}usage_by_hour ON {p}usage (hour);
CREATE TABLE {p}writers (
    writer bytea PRIMARY KEY CHECK (octet_length(writer) = 16),
    sequence bigint NOT NULL,
    heard_at bigint NOT NULL
);
INSERT INTO {p}meta (version) VALUES (1);";

/// Which scopes keys have exercised, from version 2 on.
const SCOPE_USES: &str = "\
CREATE TABLE {p}scope_uses (
    key_id bytea NOT NULL REFERENCES {p}keys ON DELETE CASCADE,
    scope text COLLATE \"C\" NOT NULL,
    first_hour bigint NOT NULL,
    last_hour bigint NOT NULL,
    PRIMARY KEY (key_id, scope)
) WITH (fillfactor = 80);
UPDATE {p}meta SET version = 2;";
