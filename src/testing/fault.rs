//! What can go wrong in a store.

use std::time::Duration;

use crate::store::contract::error::StoreErrorKind;

/// What a [`FaultyStore`](super::faulty::FaultyStore) does in place of what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Answers with an error of this kind and does nothing.
    Error(StoreErrorKind),
    /// Waits this long by tokio's timer, and then does what it was asked.
    Delay(Duration),
    /// Never answers, and does nothing.
    Hang,
    /// Panics, and does nothing.
    Panic,
    /// Finds another key, for lookups by digest: one that was found earlier, or else one that
    /// nobody inserted.
    WrongKey,
    /// Finds the right key with other digests, for lookups by digest.
    WrongDigest,
    /// Makes the change, and then answers with
    /// [`TimedOut`](crate::store::StoreErrorKind::TimedOut).
    LostAnswer,
}

impl Fault {
    /// Whether it is a fault of lookups.
    pub(super) fn suits_lookups(self) -> bool {
        self != Self::LostAnswer
    }

    /// Whether it is a fault of changes.
    pub(super) fn suits_changes(self) -> bool {
        !matches!(self, Self::WrongKey | Self::WrongDigest)
    }

    /// Whether the caller has to wait for it.
    pub(super) fn needs_a_wait(self) -> bool {
        matches!(self, Self::Delay(_) | Self::Hang)
    }
}
