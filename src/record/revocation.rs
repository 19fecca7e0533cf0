//! The end of a key.

use jiff::Timestamp;

/// When and why a key was revoked. It is never undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    at: Timestamp,
    reason: Box<str>,
}

impl Revocation {
    /// A revocation at that time, for that reason, which may be empty.
    pub fn new(at: Timestamp, reason: impl Into<Box<str>>) -> Self {
        Self {
            at,
            reason: reason.into(),
        }
    }

    /// When the key was revoked, by the clock of whoever did it.
    ///
    /// A revoked key is refused whatever this says, so that clocks which differ delay nothing.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Why the key was revoked.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
