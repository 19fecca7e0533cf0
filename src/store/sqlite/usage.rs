//! Uses of keys, noted and counted.

use std::ops::Range;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::cells::{Cells, stored};
use super::failure::Fault;
use super::sql::Sql;
use crate::record::id::KeyId;
use crate::scope::name::Scope;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::{KeyUse, UsageBatch, UsageBucket};

/// Counts a batch, unless the writer's number says that it was counted; in the transaction of the
/// caller.
pub(crate) fn count(database: &Connection, sql: &Sql, batch: &UsageBatch) -> Result<(), Fault> {
    let Some(last_used_at) = batch.last_used_at() else {
        return Ok(());
    };
    let mut accept = database.prepare_cached(&sql.usage.accept)?;
    let sequence = integer(batch.sequence());
    if accept.execute(params![batch.writer(), sequence, stored(last_used_at)])? == 0 {
        return Ok(());
    }
    batch
        .uses()
        .iter()
        .try_for_each(|one| count_one(database, sql, one))
}

fn count_one(database: &Connection, sql: &Sql, one: &KeyUse) -> Result<(), Fault> {
    let version = one.secret_version();
    let used_at = stored(one.last_used_at());
    let mut used = database.prepare_cached(&sql.usage.used)?;
    let used = used.query_row(params![one.key().as_bytes(), version, used_at], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, Vec<u8>>(1)?,
            row.get(2)?,
        ))
    });
    let Some((key, digest, is_later)) = used.optional()? else {
        return Ok(());
    };
    if is_later {
        let mut note = database.prepare_cached(&sql.usage.note)?;
        note.execute(params![digest, used_at])?;
    }
    if one.allowed() > 0 || one.refused() > 0 {
        database.prepare_cached(&sql.usage.count)?.execute(params![
            key,
            stored(one.hour()),
            version,
            integer(one.allowed()),
            integer(one.refused()),
        ])?;
    }
    let mut exercise = database.prepare_cached(&sql.usage.exercise)?;
    for scope in one.exercised().iter() {
        exercise.execute(params![key, scope.as_str(), stored(one.hour())])?;
    }
    Ok(())
}

/// The sums of a key in the hours that start within a range.
pub(crate) fn buckets(
    database: &Connection,
    sql: &Sql,
    id: &KeyId,
    hours: &Range<Timestamp>,
) -> Result<Vec<UsageBucket>, Fault> {
    let mut buckets = Vec::new();
    let mut statement = database.prepare_cached(&sql.usage.buckets)?;
    let hours = (stored(hours.start), stored(hours.end));
    let mut rows = statement.query((id.as_bytes(), hours.0, hours.1))?;
    while let Some(row) = rows.next()? {
        let cells = Cells::new(row, &sql.usage.table).of(*id);
        buckets.push(UsageBucket::new(
            cells.time(HOUR)?,
            cells.number(VERSION)?,
            cells.count(ALLOWED)?,
            cells.count(REFUSED)?,
        ));
    }
    Ok(buckets)
}

/// The scopes that a key has exercised. A name that is none grants nothing, and is left out.
pub(crate) fn scopes(database: &Connection, sql: &Sql, id: &KeyId) -> Result<Vec<ScopeUse>, Fault> {
    let mut scopes = Vec::new();
    let mut statement = database.prepare_cached(&sql.usage.scopes)?;
    let mut rows = statement.query([id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let cells = Cells::new(row, &sql.usage.scopes_table).of(*id);
        if let Ok(scope) = Scope::new(cells.text(SCOPE)?) {
            let (first, last) = (cells.time(FIRST_HOUR)?, cells.time(LAST_HOUR)?);
            scopes.push(ScopeUse::new(scope, first, last));
        }
    }
    Ok(scopes)
}

/// The largest stands for what is larger.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

// The columns, in the order of each statement.
const HOUR: usize = 0;
const VERSION: usize = 1;
const ALLOWED: usize = 2;
const REFUSED: usize = 3;

const SCOPE: usize = 0;
const FIRST_HOUR: usize = 1;
const LAST_HOUR: usize = 2;
