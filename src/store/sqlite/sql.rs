//! Every statement, for one prefix of the tables.

use super::audit_sql::AuditSql;
use super::usage_sql::UsageSql;

/// The statements and the names that they use.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) meta: String,
    pub(crate) keys: String,
    pub(crate) secrets: String,
    pub(crate) audit: AuditSql,
    pub(crate) usage: UsageSql,

    pub(crate) find: String,
    pub(crate) whole: String,
    pub(crate) get: String,
    pub(crate) list: String,
    pub(crate) insert_key: String,
    pub(crate) insert_secret: String,
    pub(crate) update_key: String,
    pub(crate) retire_secret: String,
    pub(crate) delete_secret: String,
    pub(crate) delete_key: String,

    pub(crate) count_of_owner: String,
    pub(crate) issued: String,
    pub(crate) remember_issued: String,
    pub(crate) forget_issued: String,
}

impl Sql {
    /// The statements for tables whose names start so; the prefix is a plain word.
    pub(crate) fn new(prefix: &str) -> Self {
        let meta = format!("{prefix}meta");
        let keys = format!("{prefix}keys");
        let secrets = format!("{prefix}secrets");
        let idempotency = format!("{prefix}idempotency");
        Self {
            // An outer join, so that a secret without its key is seen as an error.
            find: format!(
                "SELECT {COLUMNS} FROM {secrets} AS s \
                 LEFT JOIN {keys} AS k ON k.key = s.key WHERE s.digest = ?1"
            ),
            whole: format!(
                "SELECT {COLUMNS} FROM {keys} AS k \
                 LEFT JOIN {secrets} AS s ON s.key = k.key WHERE k.key = ?1"
            ),
            get: format!(
                "SELECT {COLUMNS} FROM {keys} AS k \
                 LEFT JOIN {secrets} AS s ON s.key = k.key WHERE k.id = ?1"
            ),
            list: format!(
                "SELECT {COLUMNS} FROM (SELECT key FROM {keys} WHERE owner = ?1 AND id > ?2 \
                 ORDER BY id LIMIT ?3) AS page JOIN {keys} AS k ON k.key = page.key \
                 LEFT JOIN {secrets} AS s ON s.key = k.key ORDER BY k.id"
            ),
            insert_key: format!(
                "INSERT INTO {keys} (id, owner, name, scopes, created_at, expires_at, disabled, \
                 revoked_at, revoked_reason, secret_count, changes, metadata) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
                 ON CONFLICT DO NOTHING"
            ),
            insert_secret: format!(
                "INSERT INTO {secrets} (key, number, digest, prefix, created_at, retires_at, \
                 last_used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING"
            ),
            update_key: format!(
                "UPDATE {keys} SET name = ?2, scopes = ?3, expires_at = ?4, disabled = ?5, \
                 revoked_at = ?6, revoked_reason = ?7, secret_count = ?8, changes = ?9, \
                 metadata = ?10 WHERE key = ?1"
            ),
            retire_secret: format!("UPDATE {secrets} SET retires_at = ?2 WHERE digest = ?1"),
            delete_secret: format!("DELETE FROM {secrets} WHERE digest = ?1"),
            // All that is about it goes with it, by the foreign keys; the audit trail has none.
            delete_key: format!("DELETE FROM {keys} WHERE key = ?1"),

            count_of_owner: format!(
                "SELECT count(*) FROM (SELECT 1 FROM {keys} \
                 WHERE owner = ?1 AND revoked_at IS NULL LIMIT ?2)"
            ),
            issued: format!(
                "SELECT {COLUMNS} FROM {idempotency} AS i JOIN {keys} AS k ON k.key = i.key \
                 LEFT JOIN {secrets} AS s ON s.key = k.key WHERE i.idempotency_key = ?1"
            ),
            remember_issued: format!(
                "INSERT OR REPLACE INTO {idempotency} (idempotency_key, key, at) \
                 VALUES (?1, ?2, ?3)"
            ),
            forget_issued: format!(
                "DELETE FROM {idempotency} WHERE idempotency_key IN \
                 (SELECT idempotency_key FROM {idempotency} WHERE at < ?1 LIMIT ?2)"
            ),
            audit: AuditSql::new(prefix),
            usage: UsageSql::new(prefix),
            meta,
            keys,
            secrets,
        }
    }
}

/// What [`row`](super::row) reads, in this order: the key, then one of its secret versions.
const COLUMNS: &str = "k.key, k.id, k.owner, k.name, k.scopes, k.created_at, k.expires_at, \
                       k.disabled, k.revoked_at, k.revoked_reason, s.number, s.digest, s.prefix, \
                       s.created_at, s.retires_at, s.last_used_at, k.secret_count, k.changes, \
                       k.metadata";
