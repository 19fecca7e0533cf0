//! Reading what the scripts return.

use std::sync::Arc;

use ::redis::Value;

use super::names::{Names, id_of};
use super::stored::{record_of, record_text};
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::{StoreError, StoreErrorKind};

/// The version of what this crate keeps in Redis.
///
/// A look-up that finds a key does not ask for it, so the format of records says by itself whether
/// this crate may read them.
pub(super) const VERSION: &str = "1";

/// Reads what the scripts return, and says where it came from.
pub(super) struct Reader<'a> {
    pub(super) names: &'a Names,
    pub(super) address: &'a str,
}

impl Reader<'_> {
    /// What a script returned after the version, if that is this crate's.
    pub(super) fn items(&self, reply: Value) -> Result<Vec<Value>, StoreError> {
        let Value::Array(mut items) = reply else {
            return Err(self.corrupt("another answer"));
        };
        if items.is_empty() {
            return Err(self.corrupt("another answer"));
        }
        self.check_version(&items.remove(0))?;
        Ok(items)
    }

    /// Refuses every version but this crate's.
    pub(super) fn check_version(&self, found: &Value) -> Result<(), StoreError> {
        let found = match found {
            Value::BulkString(version) if version == VERSION.as_bytes() => return Ok(()),
            Value::BulkString(version) => Some(version.as_slice()),
            _ => None,
        };
        let number = found.map(|found| std::str::from_utf8(found).ok()?.parse::<u32>().ok());
        let found = match number {
            None => "none: call migrate(), or restore the keys if they were lost".to_owned(),
            Some(Some(number)) => format!("version {number}: use the crate that made it"),
            Some(None) => "something else".to_owned(),
        };
        let message = format!(
            "expected version {VERSION} of the store as `{}` in redis at {}, found {found}",
            self.names.version, self.address
        );
        Err(StoreError::new(StoreErrorKind::Misconfigured, message))
    }

    /// The record of a key from its name and fields; `None` if there are no fields.
    pub(super) fn row(&self, id: KeyId, fields: &[Value]) -> Result<Option<Row>, StoreError> {
        if fields.is_empty() {
            return Ok(None);
        }
        let fields: Vec<_> = fields
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [Value::BulkString(field), Value::BulkString(value)] => {
                    Some((field.as_slice(), value.as_slice()))
                }
                _ => None,
            })
            .collect();
        match (record_of(&id, &fields), record_text(&fields)) {
            (Some(record), Some(text)) => Ok(Some(Row {
                record: Arc::new(record),
                text: text.to_vec(),
            })),
            _ => Err(self.corrupt(&format!("something else as key {id}"))),
        }
    }

    /// The fields that a script returned within its answer.
    pub(super) fn fields<'v>(&self, value: Option<&'v Value>) -> Result<&'v [Value], StoreError> {
        match value {
            Some(Value::Array(fields)) => Ok(fields),
            _ => Err(self.corrupt("another answer")),
        }
    }

    /// The id that this value is.
    pub(super) fn id(&self, value: &Value) -> Result<KeyId, StoreError> {
        match value {
            Value::BulkString(digits) => id_of(digits),
            _ => None,
        }
        .ok_or_else(|| self.corrupt("something else as an id"))
    }

    pub(super) fn corrupt(&self, found: &str) -> StoreError {
        let message = format!(
            "expected a record of the store in redis at {}, found {found}",
            self.address
        );
        StoreError::new(StoreErrorKind::Corrupt, message)
    }
}

/// A key as it stands in Redis.
pub(super) struct Row {
    pub(super) record: Arc<KeyRecord>,
    /// The text of the record, which a change compares.
    pub(super) text: Vec<u8>,
}
