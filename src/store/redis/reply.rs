//! Reading what the scripts return.

use std::sync::Arc;

use ::redis::Value;

use super::entry::entry_of;
use super::names::{Names, id_of};
use super::stored::{record_of, record_text};
use super::sums::{bucket_of, scope_use_of};
use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::scope_use::ScopeUse;
use crate::store::usage::UsageBucket;

/// The version of what this crate keeps in Redis. Names that are only added need no other.
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

    /// The entries of an owner's audit trail that a script returned.
    pub(super) fn entries(&self, owner: &str, reply: Value) -> Result<Vec<AuditEntry>, StoreError> {
        let items = self.items(reply)?;
        let entries = self.fields(items.first())?.iter().map(|entry| {
            match entry {
                Value::BulkString(text) => entry_of(owner, text),
                _ => None,
            }
            .ok_or_else(|| self.corrupt("something else in an audit trail"))
        });
        entries.collect()
    }

    /// Adds the sums that a script returned, and says what place the last one has.
    pub(super) fn sums(
        &self,
        reply: Value,
        sums: &mut Vec<UsageBucket>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let items = self.items(reply)?;
        let (places, counts) = (self.fields(items.first())?, self.fields(items.get(1))?);
        for (place, counts) in places.iter().zip(counts.chunks_exact(2)) {
            let sum = match (place, count_of(&counts[0]), count_of(&counts[1])) {
                (Value::BulkString(place), Some(allowed), Some(refused)) => {
                    bucket_of(place, allowed, refused)
                }
                _ => None,
            };
            sums.push(sum.ok_or_else(|| self.corrupt("something else as a sum of uses"))?);
        }
        Ok(match places.last() {
            Some(Value::BulkString(last)) => Some(last.clone()),
            _ => None,
        })
    }

    /// The exercised scopes that a script returned, by scope.
    pub(super) fn scope_uses(&self, reply: Value) -> Result<Vec<ScopeUse>, StoreError> {
        let items = self.items(reply)?;
        let pairs = self.fields(items.first())?.chunks_exact(2);
        let uses = pairs.map(|pair| {
            match pair {
                [Value::BulkString(scope), Value::BulkString(hours)] => scope_use_of(scope, hours),
                _ => None,
            }
            .ok_or_else(|| self.corrupt("something else as an exercised scope"))
        });
        let mut uses = uses.collect::<Result<Vec<_>, StoreError>>()?;
        uses.sort_unstable_by(|one, two| one.scope().cmp(two.scope()));
        Ok(uses)
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

/// What a script says of its outcome.
pub(super) fn word(items: &[Value]) -> &[u8] {
    match items.first() {
        Some(Value::BulkString(word)) => word,
        _ => b"",
    }
}

/// A sum; there is none where nothing was added to it.
fn count_of(value: &Value) -> Option<u64> {
    match value {
        Value::Nil => Some(0),
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

/// A key as it stands in Redis.
pub(super) struct Row {
    pub(super) record: Arc<KeyRecord>,
    /// The text of the record, which a change compares.
    pub(super) text: Vec<u8>,
}
