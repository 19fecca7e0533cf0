//! Reading what the scripts return, and writing what they take.

use std::sync::Arc;

use ::redis::{Cmd, Value};
use jiff::Timestamp;

use super::names::{VERSION, id_hex, id_of};
use super::store::Shared;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::write::ActingKey;

impl Shared {
    /// What a script returned after the version, if that is this crate's.
    pub(super) fn items(&self, reply: Value) -> Result<Vec<Value>, StoreError> {
        let Value::Array(mut items) = reply else {
            return Err(self.unknown_answer());
        };
        if items.is_empty() {
            return Err(self.unknown_answer());
        }
        self.check_version(&items.remove(0))?;
        Ok(items)
    }

    /// Rejects every version but this crate's.
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
            self.names.version,
            self.link.address()
        );
        Err(StoreError::new(StoreErrorKind::Misconfigured, message))
    }

    /// The key of that id from its fields, with its last uses; `None` if there are no fields.
    pub(super) fn key(
        &self,
        id: KeyId,
        fields: Option<&Value>,
    ) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let fields = self.array(fields)?;
        if fields.is_empty() {
            return Ok(None);
        }
        let (mut document, mut revision, mut secrets) = (&Value::Nil, &[][..], Vec::new());
        for pair in fields.chunks_exact(2) {
            let [Value::BulkString(field), Value::BulkString(value)] = pair else {
                continue;
            };
            match field.as_slice() {
                b"record" => document = &pair[1],
                b"revision" => revision = value,
                _ => secrets.extend(number_of_secret(field).map(|number| (number, value))),
            }
        }
        let mut record = self.record(id, document)?;
        // A commit compares the field, so it would always be a conflict.
        if revision != record.revision().to_string().as_bytes() {
            return Err(self.corrupt(&format!("{id}: the revision is not that of the document")));
        }
        for (number, secret) in secrets {
            let used = secret.get(2 * KeyDigest::LEN..).unwrap_or_default();
            if !used.is_empty() {
                let at = time_of(used)
                    .ok_or_else(|| self.corrupt(&format!("{id}: a last use is no time")))?;
                record = record.with_use_noted(number, at);
            }
        }
        Ok(Some(Arc::new(record)))
    }

    /// The key of that id from its document, without its last uses.
    pub(super) fn record(&self, id: KeyId, document: &Value) -> Result<KeyRecord, StoreError> {
        let Value::BulkString(document) = document else {
            return Err(self.corrupt(&format!("{id}: the key has no document")));
        };
        let record = KeyRecord::from_document(document)
            .map_err(|error| self.corrupt(&format!("{id}: {error}")))?;
        if record.id() == id {
            Ok(record)
        } else {
            let other = record.id();
            Err(self.corrupt(&format!("{id}: the document is that of {other}")))
        }
    }

    /// The array that a script returned within its answer.
    pub(super) fn array<'v>(&self, value: Option<&'v Value>) -> Result<&'v [Value], StoreError> {
        match value {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(self.unknown_answer()),
        }
    }

    /// The id that this value is.
    pub(super) fn id(&self, value: Option<&Value>) -> Result<KeyId, StoreError> {
        match value {
            Some(Value::BulkString(digits)) => id_of(digits),
            _ => None,
        }
        .ok_or_else(|| self.corrupt("an id is invalid"))
    }

    pub(super) fn corrupt(&self, what: &str) -> StoreError {
        let message = format!("redis at {}: {what}", self.link.address());
        StoreError::new(StoreErrorKind::Corrupt, message)
    }

    pub(super) fn unknown_answer(&self) -> StoreError {
        self.corrupt("a script returned an unknown answer")
    }
}

/// What a script says of its outcome.
pub(super) fn word(items: &[Value]) -> &[u8] {
    match items.first() {
        Some(Value::BulkString(word)) => word,
        _ => b"",
    }
}

/// Adds what a script takes of an acting key.
pub(super) fn add_acting(command: &mut Cmd, acting: Option<ActingKey>) {
    match acting {
        Some(ActingKey { id, revision }) => command.arg(id_hex(&id)).arg(revision),
        None => command.arg("").arg(""),
    };
}

/// Adds what a script takes of the secrets of a key.
pub(super) fn add_secrets(command: &mut Cmd, secrets: &[SecretVersion]) {
    for secret in secrets {
        let used = secret.last_used_at().map(digits_of_time);
        let digest = hex::encode(secret.digest().as_bytes());
        command
            .arg(secret.number())
            .arg(digest + used.as_deref().unwrap_or_default());
    }
}

/// What says that a key is revoked.
pub(super) fn mark_of_revoked(record: &KeyRecord) -> &'static str {
    match record.revocation() {
        Some(_) => "1",
        None => "",
    }
}

/// A time as microseconds: 18 digits for every time, so that strings compare as times.
pub(super) fn digits_of_time(at: Timestamp) -> String {
    format!("{:018}", at.as_microsecond().max(0))
}

fn time_of(digits: &[u8]) -> Option<Timestamp> {
    let microsecond = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Timestamp::from_microsecond(microsecond).ok()
}

/// The number of the secret whose digest and last use that field holds.
fn number_of_secret(field: &[u8]) -> Option<u32> {
    let number = field.strip_prefix(b"secret:")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_and_compare_as_strings() {
        let times = ["1970-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"];
        let mut times: Vec<Timestamp> = times.map(|time| time.parse().unwrap()).to_vec();
        times.push("9999-12-30T21:59:59.999999Z".parse().unwrap());
        let digits: Vec<_> = times.iter().copied().map(digits_of_time).collect();
        assert!(digits.is_sorted() && digits.iter().all(|one| one.len() == 18));
        for (digits, time) in digits.iter().zip(times) {
            assert_eq!(time_of(digits.as_bytes()), Some(time));
        }
        for other in ["", "x", "9223372036854775807"] {
            assert_eq!(time_of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_the_field_of_a_secret_has_its_number() {
        assert_eq!(number_of_secret(b"secret:4294967295"), Some(u32::MAX));
        for other in ["record", "secret:", "secret:-1", "secret:4294967296"] {
            assert_eq!(number_of_secret(other.as_bytes()), None, "{other}");
        }
    }
}
