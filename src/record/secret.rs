//! One plaintext of a key, as a store keeps it.

use jiff::Timestamp;

use super::moment::Moment;
use super::recipient::Recipient;
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
    recipient: Option<Box<Recipient>>,
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
            recipient: None,
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

    /// Sets the key whose holder received the plaintext. Defaults to none: the application received
    /// it.
    #[must_use]
    pub fn with_recipient(self, recipient: Option<Recipient>) -> Self {
        Self {
            recipient: recipient.map(Box::new),
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

    /// When the secret expires, if a rotation or a change of scopes made it expire.
    #[inline]
    pub fn retires_at(&self) -> Option<Timestamp> {
        self.retires_at.map(Moment::timestamp)
    }

    /// When the version was last used, as far as the store was told.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.last_used_at.map(Moment::timestamp)
    }

    /// The key whose holder received the plaintext; `None` if the application received it.
    pub fn recipient(&self) -> Option<&Recipient> {
        self.recipient.as_deref()
    }

    pub(super) fn set_recipient(&mut self, recipient: Option<Recipient>) {
        self.recipient = recipient.map(Box::new);
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
