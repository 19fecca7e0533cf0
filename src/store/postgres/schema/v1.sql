-- The tables of a PostgresStore with the default table prefix, version 1.
--
-- PostgresStore::migrate() runs this with the prefix of the options. To apply it by hand, run it in
-- the schema that the store's connections have first in their search_path.
--
-- All times are microseconds since 1970, in UTC.

CREATE TABLE tower_api_key_meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL
);

-- The document is the record. The other columns repeat what statements search or compare.
CREATE TABLE tower_api_key_keys (
    id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
    owner text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    revoked boolean NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX tower_api_key_keys_by_owner ON tower_api_key_keys (owner, id);

CREATE TABLE tower_api_key_secrets (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    key_id bytea NOT NULL REFERENCES tower_api_key_keys ON DELETE CASCADE,
    number bigint NOT NULL,
    last_used_at bigint,
    UNIQUE (key_id, number)
) WITH (fillfactor = 80);

CREATE TABLE tower_api_key_idempotency (
    owner text COLLATE "C" NOT NULL,
    idempotency_key bytea NOT NULL CHECK (octet_length(idempotency_key) = 32),
    key_id bytea NOT NULL UNIQUE REFERENCES tower_api_key_keys ON DELETE CASCADE,
    at bigint NOT NULL,
    PRIMARY KEY (owner, idempotency_key)
);
CREATE INDEX tower_api_key_idempotency_by_time ON tower_api_key_idempotency (at);

-- Entries stay when their key is deleted.
CREATE TABLE tower_api_key_audit (
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at bigint NOT NULL,
    action text NOT NULL,
    key_id bytea NOT NULL,
    owner text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (owner, number)
);
CREATE INDEX tower_api_key_audit_by_time ON tower_api_key_audit (at);

-- Buckets stay when a rotation drops their secret.
CREATE TABLE tower_api_key_usage (
    key_id bytea NOT NULL REFERENCES tower_api_key_keys ON DELETE CASCADE,
    hour bigint NOT NULL,
    number bigint NOT NULL,
    allowed bigint NOT NULL,
    denied bigint NOT NULL,
    scopes text[] NOT NULL,
    PRIMARY KEY (key_id, hour, number)
) WITH (fillfactor = 80);
CREATE INDEX tower_api_key_usage_by_hour ON tower_api_key_usage (hour);

-- The last batch of each writer of usage, so that a batch that is sent twice counts once.
CREATE TABLE tower_api_key_writers (
    writer bytea PRIMARY KEY CHECK (octet_length(writer) = 16),
    sequence bigint NOT NULL,
    last_used_at bigint NOT NULL
);

INSERT INTO tower_api_key_meta (version) VALUES (1);
