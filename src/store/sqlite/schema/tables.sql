-- The tables of SqliteStore, version 1. SqliteStore::migrate makes them; to make them by hand:
--
--     sqlite3 -bail keys.db < tables.sql
--
-- With another table prefix, replace tower_api_key_ everywhere. Times are microseconds since 1970.

CREATE TABLE tower_api_key_meta (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The document is the record as JSON; the columns before it are what the store searches by or
-- compares, and change with it. AUTOINCREMENT gives no number twice: otherwise a secret whose key was
-- deleted by hand, with foreign keys off, would become a secret of the next key.
CREATE TABLE tower_api_key_keys (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    revision INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

-- With the revocation, so that the keys of an owner are counted in the index alone.
CREATE INDEX tower_api_key_keys_by_owner ON tower_api_key_keys (owner, id, revoked);

CREATE TABLE tower_api_key_secrets (
    digest BLOB NOT NULL PRIMARY KEY,
    key INTEGER NOT NULL REFERENCES tower_api_key_keys (key) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX tower_api_key_secrets_by_key ON tower_api_key_secrets (key, number);

CREATE TABLE tower_api_key_idempotency (
    owner TEXT NOT NULL,
    idempotency_key BLOB NOT NULL,
    key INTEGER NOT NULL UNIQUE REFERENCES tower_api_key_keys (key) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    PRIMARY KEY (owner, idempotency_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX tower_api_key_idempotency_by_time ON tower_api_key_idempotency (at);

-- AUTOINCREMENT gives no number twice, even if every entry was pruned.
CREATE TABLE tower_api_key_audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    key_id BLOB NOT NULL,
    owner TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

-- And by number, which ends every index.
CREATE INDEX tower_api_key_audit_by_owner ON tower_api_key_audit (owner);

CREATE INDEX tower_api_key_audit_by_time ON tower_api_key_audit (at);

-- The scopes are names with spaces between them.
CREATE TABLE tower_api_key_usage (
    key INTEGER NOT NULL REFERENCES tower_api_key_keys (key) ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    secret INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    PRIMARY KEY (key, hour, secret)
) STRICT, WITHOUT ROWID;

CREATE INDEX tower_api_key_usage_by_hour ON tower_api_key_usage (hour);

CREATE TABLE tower_api_key_writers (
    writer BLOB NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO tower_api_key_meta (name, value) VALUES ('schema_version', 1);
