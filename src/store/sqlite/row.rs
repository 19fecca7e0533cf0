//! Records from rows, and what is wrong with rows that are none.

use std::fmt::Display;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows};

use super::failure::Fault;
use super::sql::Sql;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::moment::from_microsecond;
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
    let mut cells = Cells::new(row, &sql.keys);
    let id = KeyId::from_bytes(cells.octets(ID)?);
    cells.id = Some(id);
    let revocation = match cells.optional_time(REVOKED_AT)? {
        Some(at) => Some(Revocation::new(at, cells.text(REVOKED_REASON)?)),
        None => None,
    };
    let disabled = match cells.integer(DISABLED)? {
        0 => false,
        1 => true,
        other => return Err(cells.wrong("0 or 1 in disabled", other)),
    };
    let (owner, name) = (cells.text(OWNER)?, cells.text(NAME)?);
    let scopes = cells.text(SCOPES)?.split(' ');
    Ok(KeyRecord::new(id, owner, name, cells.time(CREATED_AT)?)
        .with_scopes(ScopeSet::from_stored_lossy(scopes))
        .with_expires_at(cells.optional_time(EXPIRES_AT)?)
        .with_disabled(disabled)
        .with_revocation(revocation))
}

/// A secret of the key of that id; `None` in the only row of a key that has none.
pub(crate) fn secret(row: &Row<'_>, sql: &Sql, id: KeyId) -> Result<Option<SecretVersion>, Fault> {
    let mut cells = Cells::new(row, &sql.secrets);
    cells.id = Some(id);
    if cells.is_null(SECRET_NUMBER)? {
        return Ok(None);
    }
    let number = cells.integer(SECRET_NUMBER)?;
    let number = u32::try_from(number)
        .map_err(|_| cells.wrong("the number of a secret, from 0 to 4,294,967,295", number))?;
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

/// A time as the tables keep it: microseconds since 1970.
pub(crate) fn stored(time: Timestamp) -> i64 {
    time.as_microsecond()
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

/// The cells of a row, and what an error in them is called.
struct Cells<'a> {
    row: &'a Row<'a>,
    table: &'a str,
    id: Option<KeyId>,
}

impl<'a> Cells<'a> {
    fn new(row: &'a Row<'a>, table: &'a str) -> Self {
        Self {
            row,
            table,
            id: None,
        }
    }

    fn is_null(&self, column: usize) -> Result<bool, Fault> {
        Ok(matches!(self.row.get_ref(column)?, ValueRef::Null))
    }

    fn integer(&self, column: usize) -> Result<i64, Fault> {
        match self.row.get_ref(column)? {
            ValueRef::Integer(number) => Ok(number),
            other => Err(self.wrong_type("an integer", other, column)),
        }
    }

    fn text(&self, column: usize) -> Result<&'a str, Fault> {
        match self.row.get_ref(column)? {
            ValueRef::Text(octets) => std::str::from_utf8(octets).map_err(|_| {
                self.wrong(
                    "UTF-8",
                    format_args!("other octets in {}", self.name(column)),
                )
            }),
            other => Err(self.wrong_type("text", other, column)),
        }
    }

    fn octets<const N: usize>(&self, column: usize) -> Result<[u8; N], Fault> {
        match self.row.get_ref(column)? {
            ValueRef::Blob(octets) => octets.try_into().map_err(|_| {
                self.wrong(
                    format_args!("{N} octets"),
                    format_args!("{} in {}", octets.len(), self.name(column)),
                )
            }),
            other => Err(self.wrong_type("octets", other, column)),
        }
    }

    fn time(&self, column: usize) -> Result<Timestamp, Fault> {
        let microseconds = self.integer(column)?;
        from_microsecond(microseconds).map_err(|_| {
            self.wrong(
                "microseconds of a time up to the year 9999",
                format_args!("{microseconds} in {}", self.name(column)),
            )
        })
    }

    fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, Fault> {
        if self.is_null(column)? {
            return Ok(None);
        }
        self.time(column).map(Some)
    }

    fn name(&self, column: usize) -> &str {
        self.row.as_ref().column_name(column).unwrap_or("a column")
    }

    fn wrong_type(&self, expected: &str, found: ValueRef<'_>, column: usize) -> Fault {
        let found = format_args!("{} in {}", found.data_type(), self.name(column)).to_string();
        self.wrong(expected, found)
    }

    fn wrong(&self, expected: impl Display, found: impl Display) -> Fault {
        let table = self.table;
        Fault::Corrupt(match self.id {
            Some(id) => {
                format!("expected {expected}, found {found}, in the table {table}, of {id}")
            }
            None => format!("expected {expected}, found {found}, in the table {table}"),
        })
    }
}
