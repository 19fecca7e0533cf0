//! Every statement, for one prefix of the tables.

/// The statements, and the names of tables that messages show.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) meta: String,
    pub(crate) keys: String,

    // Keys.
    pub(crate) find: String,
    pub(crate) get: String,
    pub(crate) list: String,
    pub(crate) last_uses: String,
    pub(crate) revision: String,
    pub(crate) insert_key: String,
    pub(crate) update_key: String,
    pub(crate) delete_key: String,
    pub(crate) secrets: String,
    pub(crate) insert_secret: String,
    pub(crate) delete_secret: String,

    // Conditions of an insert.
    pub(crate) count_of_owner: String,
    pub(crate) inserted: String,
    pub(crate) remember_inserted: String,
    pub(crate) prune_inserted: String,

    // The audit trail.
    pub(crate) write_audit: String,
    pub(crate) audit: String,
    pub(crate) prune_audit: String,

    pub(crate) usage: UsageSql,
}

impl Sql {
    /// The statements for tables whose names start with that prefix, a plain word.
    pub(crate) fn new(prefix: &str) -> Self {
        let [meta, keys, secrets, idempotency, audit] =
            ["meta", "keys", "secrets", "idempotency", "audit"]
                .map(|table| format!("{prefix}{table}"));
        Self {
            find: format!(
                "SELECT {KEY} FROM {secrets} AS s JOIN {keys} AS k ON k.key = s.key \
                 WHERE s.digest = ?1"
            ),
            get: format!("SELECT {KEY} FROM {keys} AS k WHERE k.id = ?1"),
            list: format!(
                "SELECT {KEY} FROM {keys} AS k WHERE k.owner = ?1 AND k.id < ?2 \
                 ORDER BY k.id DESC LIMIT ?3"
            ),
            last_uses: format!(
                "SELECT number, last_used_at FROM {secrets} \
                 WHERE key = ?1 AND last_used_at IS NOT NULL"
            ),
            revision: format!("SELECT key, revision FROM {keys} WHERE id = ?1"),
            insert_key: format!(
                "INSERT INTO {keys} (id, owner, revision, revoked, document) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING"
            ),
            update_key: format!(
                "UPDATE {keys} SET owner = ?2, revision = ?3, revoked = ?4, document = ?5 \
                 WHERE key = ?1"
            ),
            // Foreign keys delete all that is about it; the audit trail has none.
            delete_key: format!("DELETE FROM {keys} WHERE key = ?1"),
            secrets: format!("SELECT digest, number FROM {secrets} WHERE key = ?1"),
            insert_secret: format!(
                "INSERT INTO {secrets} (key, number, digest, last_used_at) \
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"
            ),
            delete_secret: format!("DELETE FROM {secrets} WHERE digest = ?1"),

            count_of_owner: format!(
                "SELECT count(*) FROM (SELECT 1 FROM {keys} \
                 WHERE owner = ?1 AND revoked = 0 LIMIT ?2)"
            ),
            inserted: format!(
                "SELECT {KEY} FROM {idempotency} AS i JOIN {keys} AS k ON k.key = i.key \
                 WHERE i.owner = ?1 AND i.idempotency_key = ?2"
            ),
            // A key that was deleted by hand may have left its own behind.
            remember_inserted: format!(
                "INSERT OR REPLACE INTO {idempotency} (owner, idempotency_key, key, at) \
                 VALUES (?1, ?2, ?3, ?4)"
            ),
            prune_inserted: format!(
                "DELETE FROM {idempotency} WHERE (owner, idempotency_key) IN \
                 (SELECT owner, idempotency_key FROM {idempotency} WHERE at < ?1 LIMIT ?2)"
            ),

            write_audit: format!(
                "INSERT INTO {audit} (at, action, key_id, owner, actor, reason, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            audit: format!(
                "SELECT number, at, action, key_id, owner, actor, reason, detail FROM {audit} \
                 WHERE owner = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"
            ),
            prune_audit: format!(
                "DELETE FROM {audit} WHERE number IN \
                 (SELECT number FROM {audit} WHERE at < ?1 LIMIT ?2)"
            ),

            usage: UsageSql::new(prefix),
            meta,
            keys,
        }
    }
}

/// The statements of usage.
#[derive(Debug)]
pub(crate) struct UsageSql {
    pub(crate) accept: String,
    pub(crate) used: String,
    pub(crate) note: String,
    pub(crate) count: String,
    pub(crate) add_scopes: String,
    pub(crate) buckets: String,
    pub(crate) prune: String,
    pub(crate) prune_writers: String,
}

impl UsageSql {
    fn new(prefix: &str) -> Self {
        let [keys, secrets, usage, writers] =
            ["keys", "secrets", "usage", "writers"].map(|table| format!("{prefix}{table}"));
        Self {
            accept: format!(
                "INSERT INTO {writers} (writer, sequence, last_used_at) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET sequence = excluded.sequence, \
                 last_used_at = max(last_used_at, excluded.last_used_at) \
                 WHERE excluded.sequence > sequence"
            ),
            used: format!(
                "SELECT k.key, s.digest, s.last_used_at IS NULL OR s.last_used_at < ?3 \
                 FROM {keys} AS k JOIN {secrets} AS s ON s.key = k.key \
                 WHERE k.id = ?1 AND s.number = ?2"
            ),
            note: format!("UPDATE {secrets} SET last_used_at = ?2 WHERE digest = ?1"),
            // A counter stays at the highest number; beyond that SQLite would make it a fraction.
            count: format!(
                "INSERT INTO {usage} (key, hour, secret, allowed, refused, scopes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET \
                 allowed = min(allowed, {MAX} - excluded.allowed) + excluded.allowed, \
                 refused = min(refused, {MAX} - excluded.refused) + excluded.refused \
                 RETURNING scopes"
            ),
            add_scopes: format!(
                "UPDATE {usage} SET scopes = ?4 WHERE key = ?1 AND hour = ?2 AND secret = ?3"
            ),
            buckets: format!(
                "SELECT u.hour, u.secret, u.allowed, u.refused, u.scopes \
                 FROM {keys} AS k JOIN {usage} AS u ON u.key = k.key \
                 WHERE k.id = ?1 AND u.hour >= ?2 AND u.hour < ?3 ORDER BY u.hour, u.secret"
            ),
            prune: format!(
                "DELETE FROM {usage} WHERE (key, hour, secret) IN \
                 (SELECT key, hour, secret FROM {usage} WHERE hour < ?1 LIMIT ?2)"
            ),
            prune_writers: format!(
                "DELETE FROM {writers} WHERE writer IN \
                 (SELECT writer FROM {writers} WHERE last_used_at < ?1 LIMIT ?2)"
            ),
        }
    }
}

/// What [`rows`](super::rows) reads of a key, in this order.
const KEY: &str = "k.key, k.id, k.document, k.revision";

const MAX: i64 = i64::MAX;
