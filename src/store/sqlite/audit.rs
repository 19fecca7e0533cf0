//! The audit trail.

use rusqlite::{Connection, params};

use super::cells::{Cells, stored};
use super::failure::Fault;
use super::sql::Sql;
use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::store::audit_page::{AuditPage, AuditPageRequest};

/// Writes an entry, in the transaction of the change that it is about.
pub(crate) fn write(database: &Connection, sql: &Sql, entry: &AuditEntry) -> Result<(), Fault> {
    database.prepare_cached(&sql.audit.write)?.execute(params![
        stored(entry.at()),
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
pub(crate) fn page(
    database: &Connection,
    sql: &Sql,
    owner: &str,
    page: &AuditPageRequest,
) -> Result<AuditPage, Fault> {
    let before = page.cursor().map(i64::try_from);
    let before = before.and_then(Result::ok).unwrap_or(i64::MAX);
    let limit = i64::try_from(page.limit()).map_or(i64::MAX, |limit| limit + 1);
    let mut entries = Vec::new();
    let mut statement = database.prepare_cached(&sql.audit.page)?;
    let mut rows = statement.query((owner, before, limit))?;
    while let Some(row) = rows.next()? {
        entries.push(entry(&Cells::new(row, &sql.audit.table))?);
    }
    Ok(AuditPage::new(page, entries))
}

fn entry(cells: &Cells<'_>) -> Result<AuditEntry, Fault> {
    let number = cells.count(NUMBER)?;
    let action = cells.text(ACTION)?.parse().map_err(|_| {
        let found = format_args!("another text in action, number {number}").to_string();
        cells.wrong("what was done to a key", found)
    })?;
    let id = KeyId::from_bytes(cells.octets(KEY_ID)?);
    let (at, owner) = (cells.time(AT)?, cells.text(OWNER)?);
    Ok(AuditEntry::new(number, at, action, id, owner)
        .with_actor(cells.text(ACTOR)?)
        .with_reason(cells.text(REASON)?)
        .with_detail(cells.text(DETAIL)?))
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
