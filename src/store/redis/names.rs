//! The names of the store's keys in Redis.

use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::prefix::is_plain;

/// The version of what this crate keeps in Redis. Names that are only added need no other.
///
/// A lookup that finds a key does not ask for it: a document has a version of its own.
pub(super) const VERSION: &str = "1";

/// The names of the store's keys in Redis: `{prefix}:` and what they are.
///
/// The braces put all of them into one slot, so that a script may touch any of them.
///
/// | name | holds |
/// | --- | --- |
/// | `version` | the version of the store |
/// | `changes` | nothing: the channel that changes are published on |
/// | `key:` id | hash: the fields of the key, as below |
/// | `digest:` digest | id of its key |
/// | `owner:` owner | sorted set of the ids of the owner's keys |
/// | `revoked:` owner | set of those that are revoked |
/// | `idempotency:` key `:` owner | id of the key that was inserted with it |
/// | `idempotency` | sorted set of their times, each with key and owner |
/// | `number` | the number of the last entry of the audit trail |
/// | `audit:` owner | sorted set of the entries of the owner's keys by their numbers |
/// | `audit` | sorted set of their times, each with number and owner |
/// | `usage:` id | hash of the key's usage buckets: `a`, `d`, `s` (see below), hour `:` secret |
/// | `hours:` id | sorted set of their hours and secrets |
/// | `hours` | sorted set of the ids of keys with buckets, by the first hour |
/// | `writers` | hash: sequence number and latest use of each writer |
/// | `writers:heard` | sorted set of their latest uses, each with the writer |
///
/// A key has the fields `record`, its document; `revision`; for each secret, `secret:` and its number,
/// which holds its digest and last use; and, if its insert had an idempotency key, `idempotency`, which
/// holds the time, the idempotency key and the owner. A bucket has the counters of allowed (`a`) and
/// denied (`d`) requests, and the scopes (`s`).
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
        format!("{}{}", self.keys, id_hex(id))
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

    /// Of the sorted set that holds the places of a key's usage buckets, and of the hash that holds
    /// the buckets.
    pub(super) fn usage(&self, id: &KeyId) -> [String; 2] {
        ["hours", "usage"].map(|kind| format!("{}{kind}:{}", self.start, id_hex(id)))
    }
}

/// An id in names and values: hexadecimal.
pub(super) fn id_hex(id: &KeyId) -> String {
    hex::encode(id.as_bytes())
}

/// The id that these hex characters are, if they are one.
pub(super) fn id_of(digits: &[u8]) -> Option<KeyId> {
    let mut bytes = [0; KeyId::LEN];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(KeyId::from_bytes(bytes))
}
