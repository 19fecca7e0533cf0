//! One plaintext of a key, as a store keeps it.

use jiff::Timestamp;

use super::moment::Moment;
use crate::key::digest::KeyDigest;
use crate::key::token::KeyPrefix;

/// What a store keeps of one plaintext of a key.
///
/// A key has one when it is issued. Each rotation adds one. Its times are kept to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    number: u32,
    digest: KeyDigest,
    prefix: KeyPrefix,
    created_at: Moment,
    retires_at: Option<Moment>,
    last_used_at: Option<Moment>,
}

impl SecretVersion {
    /// A version that is not to retire and was not used yet.
    ///
    /// Versions of one key are numbered from 1, in the order of their creation.
    pub fn new(number: u32, digest: KeyDigest, prefix: KeyPrefix, created_at: Timestamp) -> Self {
        Self {
            number,
            digest,
            prefix,
            created_at: Moment::floor(created_at),
            retires_at: None,
            last_used_at: None,
        }
    }

    /// The version with an end, from which on it is refused.
    #[must_use]
    pub fn with_retires_at(self, retires_at: Option<Timestamp>) -> Self {
        Self {
            retires_at: retires_at.map(Moment::floor),
            ..self
        }
    }

    /// The version with the time of its last use.
    #[must_use]
    pub fn with_last_used_at(self, last_used_at: Option<Timestamp>) -> Self {
        Self {
            last_used_at: last_used_at.map(Moment::floor),
            ..self
        }
    }

    /// The version's number within its key.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The digest of the plaintext.
    pub fn digest(&self) -> &KeyDigest {
        &self.digest
    }

    /// The part of the plaintext that may be shown.
    pub fn prefix(&self) -> KeyPrefix {
        self.prefix
    }

    /// When the version was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at.timestamp()
    }

    /// From when on the version is refused, where a rotation has given it an end; 1970 after one
    /// without grace ([`AT_ONCE`](super::change::KeyChange::AT_ONCE)).
    #[inline]
    pub fn retires_at(&self) -> Option<Timestamp> {
        self.retires_at.map(Moment::timestamp)
    }

    /// When the version was last used, as far as the store was told.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.last_used_at.map(Moment::timestamp)
    }

    /// Gives the version an end, never later than the one that it has.
    pub(super) fn retire(&mut self, at: Timestamp) {
        let at = Moment::floor(at);
        self.retires_at = Some(self.retires_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Notes a use, unless a later one is noted.
    pub(super) fn note_use(&mut self, at: Timestamp) {
        self.last_used_at = self.last_used_at.max(Some(Moment::floor(at)));
    }
}
