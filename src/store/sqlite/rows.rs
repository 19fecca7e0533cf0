//! Keys and values, read from rows.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Params, Row};

use super::failure::Fault;
use super::sql::Sql;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::contract::page::{KeyPage, PageRequest};

/// The record with a secret of this digest, without last uses.
pub(crate) fn find(
    database: &Connection,
    sql: &Sql,
    digest: &KeyDigest,
) -> Result<Option<Arc<KeyRecord>>, Fault> {
    let mut statement = database.prepare_cached(&sql.find)?;
    let mut rows = statement.query([digest.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(Arc::new(document(row)?)))
}

/// The record that a statement selects, with its last uses.
pub(crate) fn one(
    database: &Connection,
    sql: &Sql,
    statement: &str,
    params: impl Params,
) -> Result<Option<Arc<KeyRecord>>, Fault> {
    let mut statement = database.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    let row = rows.next()?;
    row.map(|row| record(database, sql, row)).transpose()
}

/// A page of the keys of an owner.
pub(crate) fn list(
    database: &Connection,
    sql: &Sql,
    owner: &str,
    page: &PageRequest,
) -> Result<KeyPage, Fault> {
    // Every id is less than these bytes.
    let end = [u8::MAX; KeyId::LEN + 1];
    let cursor = page.cursor();
    let before = cursor.as_ref().map_or(&end[..], |id| id.as_bytes());
    let limit = i64::try_from(page.examined()).unwrap_or(i64::MAX);
    let mut records = Vec::new();
    let mut statement = database.prepare_cached(&sql.list)?;
    let mut rows = statement.query((owner, before, limit))?;
    while let Some(row) = rows.next()? {
        records.push(record(database, sql, row)?);
    }
    Ok(KeyPage::new(page, records))
}

/// The time in a column.
pub(crate) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(row.get(column)?)
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Integer, error.into()))
}

/// The number in a column, which is not negative.
pub(crate) fn count(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    let found: i64 = row.get(column)?;
    u64::try_from(found).map_err(|_| Error::IntegralValueOutOfRange(column, found))
}

/// The number for a column; the largest stands for those that are larger.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A record with its last uses. The statement of the row is still under way here, so that both are
/// read from the same state of the file.
fn record(database: &Connection, sql: &Sql, row: &Row<'_>) -> Result<Arc<KeyRecord>, Fault> {
    let mut record = document(row)?;
    let mut statement = database.prepare_cached(&sql.last_uses)?;
    let mut uses = statement.query([row.get::<_, i64>(KEY)?])?;
    while let Some(one) = uses.next()? {
        record = record.with_use_noted(one.get(0)?, time(one, 1)?);
    }
    Ok(Arc::new(record))
}

fn document(row: &Row<'_>) -> Result<KeyRecord, Fault> {
    let document = row.get_ref(DOCUMENT)?.as_bytes().map_err(Error::from)?;
    let id = KeyId::from_bytes(row.get(ID)?);
    let revision = count(row, REVISION)?;
    KeyRecord::from_row(document, &id, revision).map_err(|error| Fault::Corrupt(id, error))
}

// The columns, in the order of the statements.
const KEY: usize = 0;
const ID: usize = 1;
const DOCUMENT: usize = 2;
const REVISION: usize = 3;
