//! The end of a key.

use jiff::Timestamp;

use super::moment::Moment;

/// When and why a key was revoked. It is never undone. The time is kept to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    at: Moment,
    reason: Box<str>,
}

impl Revocation {
    /// A revocation at that time, for that reason, which may be empty.
    pub fn new(at: Timestamp, reason: impl Into<Box<str>>) -> Self {
        Self {
            at: Moment::floor(at),
            reason: reason.into(),
        }
    }

    /// When the key was revoked, by the clock of whoever did it.
    ///
    /// A revoked key is refused whatever this says, so that clocks which differ delay nothing.
    pub fn at(&self) -> Timestamp {
        self.at.timestamp()
    }

    /// Why the key was revoked.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
