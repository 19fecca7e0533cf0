//! The names of the store's keys in Redis.

use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::prefix::is_plain;

/// The names of the store's keys in Redis: `{prefix}:` and what they are.
///
/// The braces put all of them into one slot, so that a script may touch any of them.
///
/// | name | holds |
/// | --- | --- |
/// | `version` | the version of the store |
/// | `changes` | nothing: the channel that changes are published on |
/// | `key:` id | hash: record, last uses, time and idempotency key of its insert if it had one |
/// | `digest:` digest | id of its key |
/// | `owner:` owner | sorted set of the ids of the owner's keys |
/// | `revoked:` owner | set of those that are revoked |
/// | `idempotency:` key | id of the key that was inserted with it |
/// | `idempotency` | sorted set of their times, each with one of them |
/// | `number` | the number of the last entry of the audit trail |
/// | `audit:` owner | sorted set of the entries of the owner's keys by their numbers |
/// | `audit` | sorted set of their times, each with number and owner |
/// | `usage:` id | hash of the sums of the key: `a` or `r` (allowed, refused), hour and version |
/// | `hours:` id | sorted set of their hours and versions |
/// | `scopes:` id | hash of the scopes that the key has exercised: their first and last hours |
/// | `hours` | sorted set of the ids of keys with sums, by the first hour |
/// | `writers` | hash: number and latest use of each writer |
/// | `writers:heard` | sorted set of their latest uses, each with the writer |
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// What all names start with.
    pub(super) start: String,
    /// Of the string that holds the version of the store.
    pub(super) version: String,
    /// Of the channel that changes are published on.
    pub(super) channel: String,
    /// What the names of keys start with; the hexadecimal id follows.
    pub(super) keys: String,
    digests: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Self, StoreError> {
        if !is_plain(prefix) {
            let message = "expected a prefix of 1 to 32 lower-case letters, digits and \
                           underscores that starts with a letter, found another";
            return Err(StoreError::new(StoreErrorKind::Misconfigured, message));
        }
        let start = format!("{{{prefix}}}:");
        let name = |kind| format!("{start}{kind}");
        Ok(Self {
            version: name("version"),
            channel: name("changes"),
            keys: name("key:"),
            digests: name("digest:"),
            start,
        })
    }

    /// Of the hash that holds a key.
    pub(super) fn key(&self, id: &KeyId) -> String {
        format!("{}{}", self.keys, id_digits(id))
    }

    /// Of the string that holds the id of a digest's key.
    pub(super) fn digest(&self, digest: &KeyDigest) -> String {
        format!("{}{}", self.digests, hex::encode(digest.as_bytes()))
    }

    /// Of the sorted set that holds the ids of an owner's keys.
    pub(super) fn owner(&self, owner: &str) -> String {
        format!("{}owner:{owner}", self.start)
    }

    /// Of the sorted set that holds the audit trail of an owner.
    pub(super) fn audit(&self, owner: &str) -> String {
        format!("{}audit:{owner}", self.start)
    }

    /// Of the sorted set that holds the places of a key's sums, and of the hash that holds the sums.
    pub(super) fn sums(&self, id: &KeyId) -> [String; 2] {
        ["hours", "usage"].map(|kind| format!("{}{kind}:{}", self.start, id_digits(id)))
    }

    /// Of the hash that holds the scopes that a key has exercised.
    pub(super) fn scopes(&self, id: &KeyId) -> String {
        format!("{}scopes:{}", self.start, id_digits(id))
    }
}

/// An id as it stands in names and values.
pub(super) fn id_digits(id: &KeyId) -> String {
    hex::encode(id.as_bytes())
}

/// The id that these digits are, if they are one.
pub(super) fn id_of(digits: &[u8]) -> Option<KeyId> {
    let mut octets = [0; KeyId::LEN];
    hex::decode_to_slice(digits, &mut octets).ok()?;
    Some(KeyId::from_bytes(octets))
}

/// The field of a key that holds the last use of one of its secret versions.
pub(super) fn use_field(version: u32) -> String {
    format!("{USE_FIELD}{version}")
}

/// The number of the secret version whose last use that field holds.
pub(super) fn version_of_use(field: &[u8]) -> Option<u32> {
    let number = field.strip_prefix(USE_FIELD.as_bytes())?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

const USE_FIELD: &str = "used:";

/// The field of a key that holds its record.
pub(super) const RECORD_FIELD: &[u8] = b"record";
