//! The statements of the audit trail.

/// The statements of the audit trail, and the table.
#[derive(Debug)]
pub(crate) struct AuditSql {
    pub(crate) table: String,
    pub(crate) write: String,
    pub(crate) page: String,
    pub(crate) forget: String,
}

impl AuditSql {
    /// The statements for tables whose names start so; the prefix is a plain word.
    pub(crate) fn new(prefix: &str) -> Self {
        let audit = format!("{prefix}audit");
        Self {
            write: format!(
                "INSERT INTO {audit} (at, action, key_id, owner, actor, reason, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            page: format!(
                "SELECT number, at, action, key_id, owner, actor, reason, detail FROM {audit} \
                 WHERE owner = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"
            ),
            forget: format!(
                "DELETE FROM {audit} WHERE number IN \
                 (SELECT number FROM {audit} WHERE at < ?1 LIMIT ?2)"
            ),
            table: audit,
        }
    }
}
