//! The statements, with the names of a store's tables.

/// The version of the tables that these statements fit.
pub(super) const VERSION: i32 = 1;

/// A statement that is prepared once per connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    /// The version of the tables.
    Version,
    /// A key and all its secret versions, by any of their digests.
    Find,
    /// A key and all its secret versions, by its id.
    Get,
    /// A page of an owner's keys.
    List,
    /// Adds keys that share neither ids nor digests.
    Insert,
    /// Writes a key that nobody has changed since it was read.
    Change,
    /// Deletes a key that nobody has changed since it was read.
    Delete,
    /// Notes uses.
    Use,
}

impl Query {
    /// How many there are.
    pub(super) const COUNT: usize = 8;

    fn template(self) -> &'static str {
        match self {
            Self::Version => "SELECT version FROM {p}meta",
            Self::Find => FIND,
            Self::Get => GET,
            Self::List => LIST,
            Self::Insert => INSERT,
            Self::Change => CHANGE,
            Self::Delete => DELETE,
            Self::Use => USE,
        }
    }
}

/// The statements of one store.
#[derive(Debug)]
pub(super) struct Sql {
    prefix: Box<str>,
}

impl Sql {
    /// The statements for tables with this prefix, which has been checked.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The text of a statement.
    pub(super) fn text(&self, query: Query) -> String {
        self.fill(query.template())
    }

    /// What makes the tables of version 1.
    pub(super) fn tables(&self) -> String {
        self.fill(TABLES)
    }

    /// The name of a table or channel.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What a table or channel name begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn fill(&self, template: &str) -> String {
        template
            .replace("{columns}", COLUMNS)
            .replace("{p}", &self.prefix)
    }
}

/// What [`rows`](super::rows) reads, in its order.
const COLUMNS: &str = "\
k.id, k.owner, k.name, k.scopes, k.created_at, k.expires_at, k.disabled, k.revoked_at, \
k.revoked_reason, k.revision, s.number, s.digest, s.prefix, s.created_at, s.retires_at, \
s.last_used_at";

const FIND: &str = "\
SELECT {columns} FROM {p}secrets f
JOIN {p}keys k ON k.id = f.key_id
JOIN {p}secrets s ON s.key_id = f.key_id
WHERE f.digest = $1";

const GET: &str = "\
SELECT {columns} FROM {p}keys k LEFT JOIN {p}secrets s ON s.key_id = k.id WHERE k.id = $1";

/// Every id is greater than the empty one.
const LIST: &str = "\
SELECT {columns}
FROM (SELECT * FROM {p}keys WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3) k
LEFT JOIN {p}secrets s ON s.key_id = k.id
ORDER BY k.id";

/// All or nothing of each key: one with a digest that is known is left out as a whole. A digest
/// that somebody else adds at the same moment fails the statement.
const INSERT: &str = "\
WITH input AS (
    SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
        $6::timestamptz[], $7::boolean[], $8::timestamptz[], $9::text[])
    AS i (id, owner, name, scopes, created_at, expires_at, disabled, revoked_at, revoked_reason)
), secret AS (
    SELECT * FROM unnest($10::bytea[], $11::bigint[], $12::bytea[], $13::text[],
        $14::timestamptz[], $15::timestamptz[], $16::timestamptz[])
    AS v (key_id, number, digest, prefix, created_at, retires_at, last_used_at)
), known AS (
    SELECT DISTINCT v.key_id FROM secret v JOIN {p}secrets s ON s.digest = v.digest
), added AS (
    INSERT INTO {p}keys
        (id, owner, name, scopes, created_at, expires_at, disabled, revoked_at, revoked_reason)
    SELECT * FROM input i WHERE NOT EXISTS (SELECT FROM known WHERE known.key_id = i.id)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), kept AS (
    INSERT INTO {p}secrets
        (key_id, number, digest, prefix, created_at, retires_at, last_used_at)
    SELECT v.* FROM secret v JOIN added a ON a.id = v.key_id
), told AS (
    SELECT pg_notify('{p}changes', 'a' || string_agg(encode(id, 'hex'), ''))
    FROM added HAVING count(*) > 0
)
SELECT i.id, a.id IS NOT NULL, known.key_id IS NOT NULL AND k.id IS NULL
FROM input i
LEFT JOIN added a ON a.id = i.id
LEFT JOIN known ON known.key_id = i.id
LEFT JOIN {p}keys k ON k.id = i.id
LEFT JOIN told ON true";

/// No row where somebody else was faster; then nothing is written. `last_used_at` is left alone.
const CHANGE: &str = "\
WITH changed AS (
    UPDATE {p}keys SET name = $3, scopes = $4, expires_at = $5, disabled = $6, revoked_at = $7,
        revoked_reason = $8, revision = revision + 1
    WHERE id = $1 AND revision = $2
    RETURNING id
), version AS (
    SELECT * FROM unnest($9::bigint[], $10::bytea[], $11::text[], $12::timestamptz[],
        $13::timestamptz[])
    AS v (number, digest, prefix, created_at, retires_at)
), dropped AS (
    DELETE FROM {p}secrets s USING changed c WHERE s.key_id = c.id AND s.number <> ALL ($9)
), ended AS (
    UPDATE {p}secrets s SET retires_at = v.retires_at FROM changed c, version v
    WHERE s.key_id = c.id AND s.number = v.number AND s.retires_at IS DISTINCT FROM v.retires_at
), added AS (
    INSERT INTO {p}secrets (key_id, number, digest, prefix, created_at, retires_at)
    SELECT c.id, v.* FROM changed c CROSS JOIN version v
    WHERE NOT EXISTS (
        SELECT FROM {p}secrets s WHERE s.key_id = c.id AND s.number = v.number
    )
)
SELECT pg_notify('{p}changes', $14::text || encode(id, 'hex')) FROM changed";

const DELETE: &str = "\
WITH gone AS (DELETE FROM {p}keys WHERE id = $1 AND revision = $2 RETURNING id)
SELECT pg_notify('{p}changes', 'c' || encode(id, 'hex')) FROM gone";

/// Rows are locked in one order, so that two batches at once do not lock each other out.
const USE: &str = "\
WITH due AS (
    SELECT s.digest, u.used_at
    FROM unnest($1::bytea[], $2::bigint[], $3::timestamptz[]) AS u (key_id, number, used_at)
    JOIN {p}secrets s ON s.key_id = u.key_id AND s.number = u.number
    WHERE s.last_used_at IS NULL OR s.last_used_at < u.used_at
    ORDER BY s.key_id, s.number
    FOR NO KEY UPDATE OF s
)
UPDATE {p}secrets s SET last_used_at = GREATEST(s.last_used_at, due.used_at)
FROM due WHERE s.digest = due.digest";

/// A revision begins at the time, so that a key that was deleted and added anew is not taken for
/// the one that was read before.
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
    revision bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
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
);
INSERT INTO {p}meta (version) VALUES (1);";
