//! The counts of one secret version in one thread.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::identity::Identity;
use crate::record::id::KeyId;

/// Whose uses are counted: a secret version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Used {
    halves: [u64; 2],
    version: u32,
}

impl Used {
    #[inline]
    pub(super) fn new(key: &KeyId, version: u32) -> Self {
        let whole = u128::from_ne_bytes(*key.as_bytes());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "each takes half of the bits"
        )]
        let halves = [whole as u64, (whole >> 64) as u64];
        Self { halves, version }
    }

    #[inline]
    pub(super) fn of(identity: &Identity) -> Self {
        Self::new(&identity.key_id(), identity.secret_version())
    }

    pub(super) fn key(self) -> KeyId {
        let [low, high] = self.halves.map(u128::from);
        KeyId::from_bytes((low | high << 64).to_ne_bytes())
    }

    pub(super) fn version(self) -> u32 {
        self.version
    }

    /// A number that is spread over all of its bits, for ids in sequence too.
    #[inline]
    pub(super) fn spread(self) -> u64 {
        let [low, high] = self.halves;
        (low ^ high).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// What is counted of a known key.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    /// A request was let in, which needed the scopes with these bits.
    Allowed(u64),
    Refused,
    /// A request that was counted needed the scopes with these bits too.
    Exercised(u64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) allowed: u64,
    pub(super) refused: u64,
    /// The bits of the scopes that were exercised.
    pub(super) exercised: u64,
}

impl Counts {
    pub(super) fn sum(self) -> u64 {
        self.allowed.saturating_add(self.refused)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.allowed = self.allowed.saturating_add(other.allowed);
        self.refused = self.refused.saturating_add(other.refused);
        self.exercised |= other.exercised;
    }
}

/// The counts of one secret version. Only the thread that has the slot changes whose they are and
/// adds to them; whoever collects takes them away.
#[derive(Default)]
pub(super) struct Slot {
    halves: [AtomicU64; 2],
    version: AtomicU32,
    allowed: AtomicU64,
    refused: AtomicU64,
    exercised: AtomicU64,
}

impl Slot {
    #[inline]
    pub(super) fn is_of(&self, used: Used) -> bool {
        self.halves[1].load(Relaxed) == used.halves[1]
            && self.halves[0].load(Relaxed) == used.halves[0]
            && self.version.load(Relaxed) == used.version
    }

    #[inline]
    pub(super) fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Allowed(scopes) => {
                self.allowed.fetch_add(1, Relaxed);
                self.exercise(scopes);
            }
            Outcome::Refused => {
                self.refused.fetch_add(1, Relaxed);
            }
            Outcome::Exercised(scopes) => self.exercise(scopes),
        }
    }

    /// Only what is new since the last collection is written.
    #[inline]
    fn exercise(&self, scopes: u64) {
        if scopes & !self.exercised.load(Relaxed) != 0 {
            self.exercised.fetch_or(scopes, Relaxed);
        }
    }

    pub(super) fn used(&self) -> Used {
        Used {
            halves: [0, 1].map(|half: usize| self.halves[half].load(Relaxed)),
            version: self.version.load(Relaxed),
        }
    }

    /// Nobody may change whose it is meanwhile.
    pub(super) fn assign(&self, used: Used) {
        self.halves[0].store(used.halves[0], Relaxed);
        self.halves[1].store(used.halves[1], Relaxed);
        self.version.store(used.version, Relaxed);
    }

    /// Whether it has never been used for a key, as versions are numbered from 1.
    pub(super) fn is_free(&self) -> bool {
        self.version.load(Relaxed) == 0
    }

    pub(super) fn has_counts(&self) -> bool {
        let parts = [&self.allowed, &self.refused, &self.exercised];
        parts.iter().any(|part| part.load(Relaxed) != 0)
    }

    /// Takes the counts away.
    pub(super) fn take(&self) -> Counts {
        Counts {
            allowed: self.allowed.swap(0, Relaxed),
            refused: self.refused.swap(0, Relaxed),
            exercised: self.exercised.swap(0, Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_sequences_spread() {
        let mut octets = [7; 16];
        let mut places = std::collections::BTreeSet::new();
        for last in 0..=u8::MAX {
            octets[15] = last;
            let used = Used::new(&KeyId::from_bytes(octets), 3);
            assert_eq!((used.key().as_bytes(), used.version()), (&octets, 3));
            places.insert(used.spread() >> 52);
        }
        assert!(places.len() > 200, "{}", places.len());
    }
}
