//! Records from rows.

use rusqlite::{Row, Rows};

use super::cells::Cells;
use super::failure::Fault;
use super::sql::Sql;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::scope::set::ScopeSet;

/// Reads the records of a query, with the row number of each. All rows of one key stand together.
pub(crate) fn records(
    mut rows: Rows<'_>,
    sql: &Sql,
    mut take: impl FnMut(i64, KeyRecord),
) -> Result<(), Fault> {
    let mut open: Option<(i64, KeyRecord, Vec<SecretVersion>)> = None;
    while let Some(row) = rows.next()? {
        let number = key_number(row, sql)?;
        if open.as_ref().is_none_or(|open| open.0 != number) {
            if let Some((number, record, versions)) = open.take() {
                take(number, record.with_secret_versions(versions));
            }
            open = Some((number, key(row, sql)?, Vec::with_capacity(1)));
        }
        if let Some((_, record, versions)) = &mut open {
            versions.extend(secret(row, sql, record.id())?);
        }
    }
    if let Some((number, record, versions)) = open {
        take(number, record.with_secret_versions(versions));
    }
    Ok(())
}

/// The row number of a key.
pub(crate) fn key_number(row: &Row<'_>, sql: &Sql) -> Result<i64, Fault> {
    let cells = Cells::new(row, &sql.secrets);
    if cells.is_null(KEY)? {
        return Err(cells.wrong("the key of a secret", "none"));
    }
    cells.integer(KEY)
}

/// Whether a key has exactly one secret.
pub(crate) fn has_one_secret(row: &Row<'_>, sql: &Sql) -> Result<bool, Fault> {
    Ok(Cells::new(row, &sql.keys).integer(SECRET_COUNT)? == 1)
}

/// A key, without its secrets.
pub(crate) fn key(row: &Row<'_>, sql: &Sql) -> Result<KeyRecord, Fault> {
    let cells = Cells::new(row, &sql.keys);
    let id = KeyId::from_bytes(cells.octets(ID)?);
    let cells = cells.of(id);
    let (owner, name) = (cells.text(OWNER)?, cells.text(NAME)?);
    let scopes = cells.text(SCOPES)?.split(' ');
    let mut record = KeyRecord::new(id, owner, name, cells.time(CREATED_AT)?)
        .with_scopes(ScopeSet::from_stored_lossy(scopes))
        .with_expires_at(cells.optional_time(EXPIRES_AT)?)
        .with_changes(cells.number(CHANGES)?);
    // What few keys have costs the others no more than these looks.
    match cells.integer(DISABLED)? {
        0 => {}
        1 => record = record.with_disabled(true),
        other => return Err(cells.wrong("0 or 1 in disabled", other)),
    }
    if let Some(at) = cells.optional_time(REVOKED_AT)? {
        let revocation = Revocation::new(at, cells.text(REVOKED_REASON)?);
        record = record.with_revocation(Some(revocation));
    }
    if !cells.is_null(METADATA)? {
        let metadata = serde_json::from_str::<Metadata>(cells.text(METADATA)?)
            .map_err(|_| cells.wrong("a JSON object of texts in metadata", "something else"))?;
        record = record.with_metadata(metadata);
    }
    Ok(record)
}

/// A secret of the key of that id; `None` in the only row of a key that has none.
pub(crate) fn secret(row: &Row<'_>, sql: &Sql, id: KeyId) -> Result<Option<SecretVersion>, Fault> {
    let cells = Cells::new(row, &sql.secrets).of(id);
    if cells.is_null(SECRET_NUMBER)? {
        return Ok(None);
    }
    let number = cells.number(SECRET_NUMBER)?;
    let digest = KeyDigest::from_bytes(cells.octets(DIGEST)?);
    let prefix = cells.text(PREFIX)?.parse().map_err(|_| {
        cells.wrong(
            "a prefix of 8 lower-case hexadecimal digits",
            "another text",
        )
    })?;
    let version = SecretVersion::new(number, digest, prefix, cells.time(SECRET_CREATED_AT)?)
        .with_retires_at(cells.optional_time(RETIRES_AT)?)
        .with_last_used_at(cells.optional_time(LAST_USED_AT)?);
    Ok(Some(version))
}

// The columns, in the order of the statements.
const KEY: usize = 0;
const ID: usize = 1;
const OWNER: usize = 2;
const NAME: usize = 3;
const SCOPES: usize = 4;
const CREATED_AT: usize = 5;
const EXPIRES_AT: usize = 6;
const DISABLED: usize = 7;
const REVOKED_AT: usize = 8;
const REVOKED_REASON: usize = 9;
const SECRET_NUMBER: usize = 10;
const DIGEST: usize = 11;
const PREFIX: usize = 12;
const SECRET_CREATED_AT: usize = 13;
const RETIRES_AT: usize = 14;
const LAST_USED_AT: usize = 15;
const SECRET_COUNT: usize = 16;
const CHANGES: usize = 17;
const METADATA: usize = 18;
