//! The names of the store's keys in Redis.

use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::store::error::{StoreError, StoreErrorKind};

/// The names of the store's keys in Redis: `{prefix}:` and what they are.
///
/// The braces put all of them into one slot, so that a script may touch any of them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Of the string that holds the version of the store.
    pub(super) version: String,
    /// Of the channel that changes are published on.
    pub(super) channel: String,
    /// What the names of keys start with; the hexadecimal id follows.
    pub(super) keys: String,
    /// What the names of digests start with; the hexadecimal digest follows.
    pub(super) digests: String,
    owners: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Self, StoreError> {
        let fine = prefix.len() <= 32
            && prefix.starts_with(|first: char| first.is_ascii_lowercase())
            && prefix
                .bytes()
                .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !fine {
            let message = "expected a prefix of 1 to 32 lower-case letters, digits and \
                           underscores that starts with a letter, found another";
            return Err(StoreError::new(StoreErrorKind::Misconfigured, message));
        }
        let name = |kind| format!("{{{prefix}}}:{kind}");
        Ok(Self {
            version: name("version"),
            channel: name("changes"),
            keys: name("key:"),
            digests: name("digest:"),
            owners: name("owner:"),
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
        format!("{}{owner}", self.owners)
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
