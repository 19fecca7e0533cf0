//! Reads audit trails.

use std::error::Error;

use tokio_postgres::Row;

use super::database::Database;
use super::sql::Query;
use super::timestamptz::timestamp;
use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::store::audit_page::{AuditPage, AuditPageRequest};
use crate::store::error::{StoreError, StoreErrorKind};

impl Database {
    /// A page of an owner's audit trail, newest first.
    pub(super) async fn audit(
        &self,
        owner: &str,
        page: &AuditPageRequest,
    ) -> Result<AuditPage, StoreError> {
        let before = page.cursor().map(i64::try_from);
        let before = before.and_then(Result::ok).unwrap_or(i64::MAX);
        // One more than asked for, which tells whether another page follows.
        let limit = i64::try_from(page.limit()).map_or(i64::MAX, |limit| limit + 1);
        let found = self
            .within(self.read(Query::Audit, &[&owner, &before, &limit]))
            .await?;
        let entries: Result<Vec<_>, _> = found.iter().map(|row| entry(row, owner)).collect();
        let entries = entries.map_err(|defect| self.no_entry(defect))?;
        Ok(AuditPage::new(page, entries))
    }

    fn no_entry(&self, defect: Defect) -> StoreError {
        let message = format!(
            "expected entries of the audit trail in {}, found rows that are none",
            self.address()
        );
        StoreError::new(StoreErrorKind::Corrupt, message).with_source(defect)
    }
}

type Defect = Box<dyn Error + Send + Sync>;

fn entry(row: &Row, owner: &str) -> Result<AuditEntry, Defect> {
    let number = u64::try_from(row.try_get::<_, i64>(0)?)?;
    let action = row.try_get::<_, &str>(2)?.parse()?;
    let key = KeyId::from_bytes(row.try_get::<_, &[u8]>(3)?.try_into()?);
    let actor: &str = row.try_get(4)?;
    let reason: &str = row.try_get(5)?;
    let detail: &str = row.try_get(6)?;
    let at = timestamp(row.try_get(1)?);
    let entry = AuditEntry::new(number, at, action, key, owner);
    Ok(entry
        .with_actor(actor)
        .with_reason(reason)
        .with_detail(detail))
}
