//! Reads and prunes the audit trail.

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::rows::Defect;
use super::store::PostgresStore;
use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::store::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use crate::store::contract::error::{StoreError, StoreErrorKind};

const AUDIT: &str = "\
SELECT number, at, action, key_id, actor, reason, detail FROM {p}audit
WHERE owner = $1 AND number < $2 ORDER BY number DESC LIMIT $3";

/// It waits for nobody: a row that somebody else has locked is deleted by another process.
const PRUNE_AUDIT: &str = "\
DELETE FROM {p}audit WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {p}audit WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
)) RETURNING true";

const PRUNE_IDEMPOTENCY: &str = "\
DELETE FROM {p}idempotency WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {p}idempotency WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
)) RETURNING true";

#[async_trait]
impl AuditLog for PostgresStore {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        let before = page.cursor().map(i64::try_from);
        let before = before.and_then(Result::ok).unwrap_or(i64::MAX);
        // OK because a page has at most 1,000 entries.
        let limit = i64::try_from(page.limit() + 1).unwrap_or(i64::MAX);
        let found = self
            .database()
            .read(AUDIT, &[&owner, &before, &limit])
            .await?;
        let entries: Result<Vec<_>, _> = found.iter().map(|row| entry(row, owner)).collect();
        let entries = entries.map_err(|defect| {
            let address = self.database().address();
            let message = format!("{address}: an entry of the audit trail is corrupt: {defect}");
            StoreError::new(StoreErrorKind::Corrupt, message).with_source(defect)
        })?;
        Ok(AuditPage::new(page, entries))
    }

    /// Deletes some thousand rows at a time; each time has the deadline of a call. When it fails,
    /// what it has deleted before stays deleted.
    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let pruned = self.database().prune(PRUNE_AUDIT, at).await?;
        self.database().prune(PRUNE_IDEMPOTENCY, at).await?;
        Ok(pruned)
    }
}

fn entry(row: &Row, owner: &str) -> Result<AuditEntry, Defect> {
    let number = u64::try_from(row.try_get::<_, i64>(0)?)?;
    let at = Timestamp::from_microsecond(row.try_get(1)?)?;
    let action = row.try_get::<_, &str>(2)?.parse()?;
    let key = KeyId::from_bytes(row.try_get::<_, &[u8]>(3)?.try_into()?);
    let actor: &str = row.try_get(4)?;
    let reason: &str = row.try_get(5)?;
    let detail: &str = row.try_get(6)?;
    let entry = AuditEntry::new(number, at, action, key, owner);
    Ok(entry
        .with_actor(actor)
        .with_reason(reason)
        .with_detail(detail))
}
