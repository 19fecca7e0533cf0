//! The audit trail.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row, params};

use super::failure::Fault;
use super::rows::{count, integer, time};
use super::sql::Sql;
use super::store::SqliteStore;
use crate::record::action::AuditAction;
use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::store::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use crate::store::contract::error::StoreError;

#[async_trait]
impl AuditLog for SqliteStore {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        let (owner, page) = (owner.to_owned(), *page);
        self.read(move |database, sql| read(database, sql, &owner, &page))
            .await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let pruned = self.prune(|sql| &sql.prune_audit, at).await?;
        self.prune(|sql| &sql.prune_inserted, at).await?;
        Ok(pruned)
    }
}

/// Writes an entry, in the transaction of the change that it is about.
pub(crate) fn write(database: &Connection, sql: &Sql, entry: &AuditEntry) -> Result<(), Fault> {
    database.prepare_cached(&sql.write_audit)?.execute(params![
        entry.at().as_microsecond(),
        entry.action().as_str(),
        entry.key_id().as_bytes(),
        entry.owner(),
        entry.actor(),
        entry.reason(),
        entry.detail(),
    ])?;
    Ok(())
}

/// A page of the entries about the keys of an owner.
fn read(
    database: &Connection,
    sql: &Sql,
    owner: &str,
    page: &AuditPageRequest,
) -> Result<AuditPage, Fault> {
    let before = page.cursor().map_or(i64::MAX, integer);
    // One more tells whether another page follows.
    let limit = i64::try_from(page.limit()).map_or(i64::MAX, |limit| limit + 1);
    let mut statement = database.prepare_cached(&sql.audit)?;
    let entries = statement
        .query_map((owner, before, limit), entry)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(AuditPage::new(page, entries))
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, Error> {
    let action = row.get_ref(ACTION)?.as_str()?;
    let action: AuditAction = action
        .parse()
        .map_err(|error| Error::FromSqlConversionFailure(ACTION, Type::Text, Box::new(error)))?;
    let id = KeyId::from_bytes(row.get(KEY_ID)?);
    let entry = AuditEntry::new(
        count(row, NUMBER)?,
        time(row, AT)?,
        action,
        id,
        row.get::<_, Box<str>>(OWNER)?,
    );
    Ok(entry
        .with_actor(row.get::<_, Box<str>>(ACTOR)?)
        .with_reason(row.get::<_, Box<str>>(REASON)?)
        .with_detail(row.get::<_, Box<str>>(DETAIL)?))
}

// The columns, in the order of the statement.
const NUMBER: usize = 0;
const AT: usize = 1;
const ACTION: usize = 2;
const KEY_ID: usize = 3;
const OWNER: usize = 4;
const ACTOR: usize = 5;
const REASON: usize = 6;
const DETAIL: usize = 7;
