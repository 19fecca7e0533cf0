//! What was counted without a key, and how the writing goes.

use std::fmt;

use super::shard::KINDS;
use crate::denial::DenialKind;

/// What a monitor has counted besides the uses of keys, since it was made, for a metrics page.
///
/// These numbers are of this process, and no store has them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageStats {
    pub(super) refusals: [u64; KINDS],
    pub(super) openings: u64,
    pub(super) dropped: u64,
}

impl UsageStats {
    /// How many requests were denied for that reason.
    ///
    /// Denials of a verified key, for a scope or by the policy, are counted in the usage of the key, and
    /// not here.
    pub fn refused(&self, kind: DenialKind) -> u64 {
        self.refusals[kind as usize % KINDS]
    }

    /// How many requests were denied without a verified key: the sum of [`refused`](Self::refused) over
    /// all reasons.
    ///
    /// It is not the number of all denials. It leaves out those of a verified key, for a scope or by the
    /// policy, which [`KeyManager::usage`](crate::KeyManager::usage) returns for each key.
    pub fn all_refused(&self) -> u64 {
        self.refusals.iter().sum()
    }

    /// How many requests passed that needed no key: anonymous ones, public paths, preflights.
    pub fn passed_without_key(&self) -> u64 {
        self.openings
    }

    /// How many counted uses of keys were dropped for want of room, and are in no sum of a store.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl fmt::Debug for UsageStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageStats")
            .field("all_refused", &self.all_refused())
            .field("passed_without_key", &self.openings)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// What a flusher has written since it was made, for a metrics page.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlusherStats {
    /// Sums that wait to be written, of a key, secret version and hour each; at most the bound.
    pub waiting: usize,
    /// Batches that the store has taken.
    pub batches: u64,
    /// Counted requests in those batches.
    pub requests: u64,
    /// Writes that failed; each was tried again.
    pub failures: u64,
}
