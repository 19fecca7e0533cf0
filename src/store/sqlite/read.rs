//! Keys, read from a connection.

use std::sync::Arc;

use rusqlite::{Connection, Params};

use super::failure::Fault;
use super::row;
use super::sql::Sql;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::page::{KeyPage, PageRequest};

/// The record with a secret of this digest, with all its secrets.
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
    let number = row::key_number(row, sql)?;
    if row::has_one_secret(row, sql)? {
        let record = row::key(row, sql)?;
        let version = row::secret(row, sql, record.id())?;
        return Ok(Some(Arc::new(record.with_secret_versions(version))));
    }
    // Most keys have one secret, and need no second query. The first one is still under way here,
    // so that both see the file at the same moment.
    let found = one(database, sql, &sql.whole, [number])?;
    Ok(found.map(|(_, record)| Arc::new(record)))
}

/// The record of this id, and its row number.
pub(crate) fn get(
    database: &Connection,
    sql: &Sql,
    id: &KeyId,
) -> Result<Option<(i64, KeyRecord)>, Fault> {
    one(database, sql, &sql.get, [id.as_bytes()])
}

/// The record that an earlier insert with this idempotency key has added.
pub(crate) fn issued(
    database: &Connection,
    sql: &Sql,
    idempotency_key: &[u8; 32],
) -> Result<Option<KeyRecord>, Fault> {
    let found = one(database, sql, &sql.issued, [idempotency_key])?;
    Ok(found.map(|(_, record)| record))
}

/// A page of the keys of an owner.
pub(crate) fn list(
    database: &Connection,
    sql: &Sql,
    owner: &str,
    page: &PageRequest,
) -> Result<KeyPage, Fault> {
    let cursor = page.cursor();
    // Every id sorts after the empty one.
    let after: &[u8] = cursor.as_ref().map_or(&[], |id| id.as_bytes());
    let limit = i64::try_from(page.limit()).map_or(i64::MAX, |limit| limit + 1);
    let mut keys = Vec::new();
    let mut statement = database.prepare_cached(&sql.list)?;
    let rows = statement.query((owner, after, limit))?;
    row::records(rows, sql, |_, record| keys.push(Arc::new(record)))?;
    Ok(KeyPage::new(page, keys))
}

fn one(
    database: &Connection,
    sql: &Sql,
    query: &str,
    params: impl Params,
) -> Result<Option<(i64, KeyRecord)>, Fault> {
    let mut found = None;
    let mut statement = database.prepare_cached(query)?;
    row::records(statement.query(params)?, sql, |number, record| {
        found = Some((number, record));
    })?;
    Ok(found)
}
