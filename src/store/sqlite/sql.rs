//! Every statement, for one prefix of the tables.

/// The statements and the names that they use.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) meta: String,
    pub(crate) keys: String,
    pub(crate) secrets: String,
    pub(crate) audit: String,
    pub(crate) usage: String,

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

    pub(crate) write_entry: String,
    pub(crate) entries: String,
    pub(crate) forget_entries: String,

    pub(crate) accept_batch: String,
    pub(crate) used_secret: String,
    pub(crate) note_use: String,
    pub(crate) count_use: String,
    pub(crate) buckets: String,
    pub(crate) forget_buckets: String,
    pub(crate) forget_writers: String,
}

impl Sql {
    /// The statements for tables whose names start so; the prefix is a plain word.
    pub(crate) fn new(prefix: &str) -> Self {
        let meta = format!("{prefix}meta");
        let keys = format!("{prefix}keys");
        let secrets = format!("{prefix}secrets");
        let idempotency = format!("{prefix}idempotency");
        let audit = format!("{prefix}audit");
        let usage = format!("{prefix}usage");
        let writers = format!("{prefix}writers");
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

            write_entry: format!(
                "INSERT INTO {audit} (at, action, key_id, owner, actor, reason, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            entries: format!(
                "SELECT number, at, action, key_id, owner, actor, reason, detail FROM {audit} \
                 WHERE owner = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"
            ),
            forget_entries: format!(
                "DELETE FROM {audit} WHERE number IN \
                 (SELECT number FROM {audit} WHERE at < ?1 LIMIT ?2)"
            ),

            accept_batch: format!(
                "INSERT INTO {writers} (writer, sequence, last_used_at) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET sequence = excluded.sequence, \
                 last_used_at = max(last_used_at, excluded.last_used_at) \
                 WHERE excluded.sequence > sequence"
            ),
            used_secret: format!(
                "SELECT k.key, s.digest, s.last_used_at IS NULL OR s.last_used_at < ?3 \
                 FROM {keys} AS k JOIN {secrets} AS s ON s.key = k.key \
                 WHERE k.id = ?1 AND s.number = ?2"
            ),
            note_use: format!("UPDATE {secrets} SET last_used_at = ?2 WHERE digest = ?1"),
            // A sum stays at the highest number, rather than become one with a fraction.
            count_use: format!(
                "INSERT INTO {usage} (key, hour, version, allowed, refused) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET \
                 allowed = min(allowed, {MAX} - excluded.allowed) + excluded.allowed, \
                 refused = min(refused, {MAX} - excluded.refused) + excluded.refused"
            ),
            buckets: format!(
                "SELECT u.hour, u.version, u.allowed, u.refused \
                 FROM {keys} AS k JOIN {usage} AS u ON u.key = k.key \
                 WHERE k.id = ?1 AND u.hour >= ?2 AND u.hour < ?3 ORDER BY u.hour, u.version"
            ),
            forget_buckets: format!(
                "DELETE FROM {usage} WHERE (key, hour, version) IN \
                 (SELECT key, hour, version FROM {usage} WHERE hour < ?1 LIMIT ?2)"
            ),
            forget_writers: format!(
                "DELETE FROM {writers} WHERE writer IN \
                 (SELECT writer FROM {writers} WHERE last_used_at < ?1 LIMIT ?2)"
            ),

            meta,
            keys,
            secrets,
            audit,
            usage,
        }
    }
}

const MAX: i64 = i64::MAX;

/// What [`row`](super::row) reads, in this order: the key, then one of its secret versions.
const COLUMNS: &str = "k.key, k.id, k.owner, k.name, k.scopes, k.created_at, k.expires_at, \
                       k.disabled, k.revoked_at, k.revoked_reason, s.number, s.digest, s.prefix, \
                       s.created_at, s.retires_at, s.last_used_at, k.secret_count, k.changes, \
                       k.metadata";

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, Statement};

    use super::super::schema;
    use super::*;

    /// What SQLite does for a statement, one step a line.
    fn plan(database: &Connection, statement: &str) -> String {
        let mut explain = database
            .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
            .unwrap();
        let count = explain.parameter_count();
        let nulls = vec![None::<i64>; count];
        let steps = |statement: &mut Statement<'_>| -> Vec<String> {
            let nulls = rusqlite::params_from_iter(&nulls);
            let steps = statement.query_map(nulls, |row| row.get(3)).unwrap();
            steps.map(Result::unwrap).collect()
        };
        steps(&mut explain).join("\n")
    }

    #[test]
    fn whatever_grows_is_read_by_an_index_and_sorted_by_it() {
        let mut database = Connection::open_in_memory().unwrap();
        let sql = Sql::new("t_");
        schema::migrate(&mut database, &sql, "t_", "memory").unwrap_or_else(|_| unreachable!());
        for (statement, of_page) in [
            (&sql.find, false),
            (&sql.whole, false),
            (&sql.get, false),
            (&sql.list, true),
            (&sql.update_key, false),
            (&sql.retire_secret, false),
            (&sql.delete_secret, false),
            (&sql.delete_key, false),
            (&sql.count_of_owner, true),
            (&sql.issued, false),
            (&sql.forget_issued, false),
            (&sql.entries, false),
            (&sql.forget_entries, false),
            (&sql.used_secret, false),
            (&sql.note_use, false),
            (&sql.buckets, false),
            (&sql.forget_buckets, false),
        ] {
            let plan = plan(&database, statement);
            // What a page has been read into is scanned and sorted, which is bounded.
            let plan = if of_page {
                plan.replace("SCAN page", "").replace("SCAN (subquery", "")
            } else {
                plan
            };
            assert!(!plan.is_empty(), "{statement}");
            assert!(!plan.contains("SCAN"), "{statement}:\n{plan}");
            assert!(
                of_page || !plan.contains("TEMP B-TREE"),
                "{statement}:\n{plan}"
            );
        }
        let counted = plan(&database, &sql.count_of_owner);
        assert!(
            counted.contains("COVERING INDEX t_keys_by_owner"),
            "{counted}"
        );
    }
}
