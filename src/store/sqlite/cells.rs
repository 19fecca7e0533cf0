//! The cells of a row, and what is wrong with those that are not as they should be.

use std::fmt::Display;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::failure::Fault;
use crate::record::id::KeyId;
use crate::record::moment::{Moment, from_microsecond};

/// A time as the tables keep it: microseconds since 1970.
pub(crate) fn stored(time: Timestamp) -> i64 {
    Moment::floor(time).timestamp().as_microsecond()
}

/// The cells of a row, and what an error in them is called.
pub(crate) struct Cells<'a> {
    row: &'a Row<'a>,
    table: &'a str,
    id: Option<KeyId>,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(row: &'a Row<'a>, table: &'a str) -> Self {
        Self {
            row,
            table,
            id: None,
        }
    }

    /// Says in errors which key it is about.
    pub(crate) fn of(self, id: KeyId) -> Self {
        Self {
            id: Some(id),
            ..self
        }
    }

    pub(crate) fn is_null(&self, column: usize) -> Result<bool, Fault> {
        Ok(matches!(self.row.get_ref(column)?, ValueRef::Null))
    }

    pub(crate) fn integer(&self, column: usize) -> Result<i64, Fault> {
        match self.row.get_ref(column)? {
            ValueRef::Integer(number) => Ok(number),
            other => Err(self.wrong_type("an integer", other, column)),
        }
    }

    /// A number of 32 bits.
    pub(crate) fn number(&self, column: usize) -> Result<u32, Fault> {
        let found = self.integer(column)?;
        u32::try_from(found).map_err(|_| {
            let found = format_args!("{found} in {}", self.name(column)).to_string();
            self.wrong("a number from 0 to 4,294,967,295", found)
        })
    }

    /// A number that is not below zero.
    pub(crate) fn count(&self, column: usize) -> Result<u64, Fault> {
        let found = self.integer(column)?;
        u64::try_from(found).map_err(|_| {
            let found = format_args!("{found} in {}", self.name(column)).to_string();
            self.wrong("a number from 0 on", found)
        })
    }

    pub(crate) fn text(&self, column: usize) -> Result<&'a str, Fault> {
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

    pub(crate) fn octets<const N: usize>(&self, column: usize) -> Result<[u8; N], Fault> {
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

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, Fault> {
        let microseconds = self.integer(column)?;
        from_microsecond(microseconds).map_err(|_| {
            self.wrong(
                "microseconds of a time up to the year 9999",
                format_args!("{microseconds} in {}", self.name(column)),
            )
        })
    }

    pub(crate) fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, Fault> {
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

    pub(crate) fn wrong(&self, expected: impl Display, found: impl Display) -> Fault {
        let table = self.table;
        Fault::Corrupt(match self.id {
            Some(id) => {
                format!("expected {expected}, found {found}, in the table {table}, of {id}")
            }
            None => format!("expected {expected}, found {found}, in the table {table}"),
        })
    }
}
