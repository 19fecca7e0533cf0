//! The statements of uses and their counts.

/// The statements of uses and their counts, and the tables of counts and of exercised scopes.
#[derive(Debug)]
pub(crate) struct UsageSql {
    pub(crate) table: String,
    pub(crate) scopes_table: String,
    pub(crate) accept: String,
    pub(crate) used: String,
    pub(crate) note: String,
    pub(crate) count: String,
    pub(crate) buckets: String,
    pub(crate) exercise: String,
    pub(crate) scopes: String,
    pub(crate) forget_scopes: String,
    pub(crate) forget: String,
    pub(crate) forget_writers: String,
}

impl UsageSql {
    /// The statements for tables whose names start so; the prefix is a plain word.
    pub(crate) fn new(prefix: &str) -> Self {
        let keys = format!("{prefix}keys");
        let secrets = format!("{prefix}secrets");
        let usage = format!("{prefix}usage");
        let scopes_table = format!("{prefix}scope_uses");
        let writers = format!("{prefix}writers");
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
            // A sum stays at the highest number, rather than become one with a fraction.
            count: format!(
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
            // Where the hours are within those that are known, nothing is written.
            exercise: format!(
                "INSERT INTO {scopes_table} (key, scope, first_hour, last_hour) \
                 VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET \
                 first_hour = min(first_hour, excluded.first_hour), \
                 last_hour = max(last_hour, excluded.last_hour) \
                 WHERE excluded.first_hour < first_hour OR excluded.last_hour > last_hour"
            ),
            scopes: format!(
                "SELECT u.scope, u.first_hour, u.last_hour \
                 FROM {keys} AS k JOIN {scopes_table} AS u ON u.key = k.key \
                 WHERE k.id = ?1 ORDER BY u.scope"
            ),
            forget_scopes: format!("DELETE FROM {scopes_table} WHERE key = ?1"),
            forget: format!(
                "DELETE FROM {usage} WHERE (key, hour, version) IN \
                 (SELECT key, hour, version FROM {usage} WHERE hour < ?1 LIMIT ?2)"
            ),
            forget_writers: format!(
                "DELETE FROM {writers} WHERE writer IN \
                 (SELECT writer FROM {writers} WHERE last_used_at < ?1 LIMIT ?2)"
            ),
            table: usage,
            scopes_table,
        }
    }
}

const MAX: i64 = i64::MAX;
