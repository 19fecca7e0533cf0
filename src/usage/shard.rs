//! What one thread has counted.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;

use super::slot::{Counts, Outcome, Slot, Used};
use super::spill::{Exercised, Spill, Spilled};
use crate::denial::DenialKind;
use crate::scope::set::ScopeSet;

/// What one thread has counted. Only that thread counts here, so no two cores wait for a cache line;
/// anyone may collect.
pub(super) struct Shard {
    slots: Box<[Slot]>,
    /// Whoever changes whose a slot is holds this, and so does whoever collects.
    spill: Mutex<Spill>,
    refusals: [AtomicU64; KINDS],
    openings: AtomicU64,
    dropped: AtomicU64,
}

/// How many slots a thread has, of 48 octets each.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 12;
/// How many slots in a row a key may have one of.
const WINDOW: usize = 8;
/// How many slots are collected in one step, for which a thread that needs a slot may wait.
const STEP: usize = 64;
/// Room for every kind of denial.
pub(super) const KINDS: usize = 32;

impl Shard {
    pub(super) fn new() -> Self {
        Self {
            // So that the last keys have as many as others.
            slots: (0..SLOTS + WINDOW - 1).map(|_| Slot::default()).collect(),
            spill: Mutex::default(),
            refusals: Default::default(),
            openings: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn count(&self, used: Used, outcome: Outcome) {
        let home = (used.spread() >> (u64::BITS - SLOT_BITS)) as usize;
        let window = &self.slots[home..home + WINDOW];
        match window.iter().find(|slot| slot.is_of(used)) {
            Some(slot) => slot.count(outcome),
            None => self.claim(window, used).count(outcome),
        }
    }

    /// Notes exercised scopes of which one has no bit.
    pub(super) fn exercise_without_bits(&self, used: Used, scopes: &ScopeSet) {
        self.spill().exercise(used, scopes);
    }

    /// Counts a refusal for which no key is to answer.
    pub(super) fn count_refusal(&self, kind: DenialKind) {
        self.refusals[kind as usize % KINDS].fetch_add(1, Relaxed);
    }

    /// Counts a request that needs no key.
    pub(super) fn count_opening(&self) {
        self.openings.fetch_add(1, Relaxed);
    }

    /// Gives a slot to another key.
    #[cold]
    #[inline(never)]
    fn claim<'a>(&self, window: &'a [Slot], used: Used) -> &'a Slot {
        let rank = |slot: &&Slot| (!slot.is_free(), slot.has_counts());
        // OK because a window is not empty.
        let slot = window.iter().min_by_key(rank).unwrap_or(&window[0]);
        let mut spill = self.spill();
        let counts = slot.take();
        if counts != Counts::default() && spill.add(slot.used(), counts).is_err() {
            self.dropped.fetch_add(counts.sum(), Relaxed);
        }
        slot.assign(used);
        slot
    }

    /// Takes away all counts of keys; of one key, perhaps in several parts.
    pub(super) fn drain(&self, mut take: impl FnMut(Used, Counts)) {
        for slots in self.slots.chunks(STEP) {
            let _no_slot_changes_hands = self.spill();
            for slot in slots.iter().filter(|slot| slot.has_counts()) {
                take(slot.used(), slot.take());
            }
        }
        let spilled = self.spill().len();
        if spilled > 0 {
            // As large as the old one, so that the thread need not make room again.
            let empty = Spilled::with_capacity_and_hasher(spilled, RandomState::default());
            let spilled = self.spill().replace(empty);
            for (used, counts) in spilled {
                take(used, counts);
            }
        }
    }

    /// Takes away the exercised scopes that were noted without bits.
    pub(super) fn drain_scopes(&self) -> Exercised {
        self.spill().take_scopes()
    }

    pub(super) fn refusals(&self) -> &[AtomicU64; KINDS] {
        &self.refusals
    }

    pub(super) fn openings(&self) -> u64 {
        self.openings.load(Relaxed)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn spill(&self) -> MutexGuard<'_, Spill> {
        // OK after a panic: what is under the lock is whole between any two steps.
        self.spill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::record::id::KeyId;

    fn used(number: u64) -> Used {
        let mut octets = [0; 16];
        octets[8..].copy_from_slice(&number.to_be_bytes());
        Used::new(&KeyId::from_bytes(octets), 1)
    }

    fn drained(shard: &Shard) -> HashMap<Used, Counts> {
        let mut sums = HashMap::<_, Counts>::new();
        shard.drain(|used, counts| sums.entry(used).or_default().add(counts));
        sums
    }

    /// Four times as many keys as slots.
    #[test]
    fn keys_that_share_slots_are_counted_exactly() {
        let shard = Shard::new();
        let keys = 4 * SLOTS as u64;
        for round in 0..3 {
            for number in 0..keys {
                shard.count(used(number), Outcome::Allowed(1 << (round + number % 3)));
                if number % 5 == round {
                    shard.count(used(number), Outcome::Refused);
                }
            }
        }
        let sums = drained(&shard);
        assert_eq!((sums.len() as u64, shard.dropped()), (keys, 0));
        for number in 0..keys {
            let refused = u64::from(number % 5 < 3);
            let expected = Counts {
                allowed: 3,
                refused,
                exercised: 0b111 << (number % 3),
            };
            assert_eq!(sums[&used(number)], expected, "{number}");
        }
        assert_eq!(drained(&shard), HashMap::new());
    }

    #[test]
    fn scopes_without_bits_are_kept_up_to_the_bound() {
        let shard = Shard::new();
        let scopes = |names: &str| names.parse::<ScopeSet>().unwrap();
        for names in ["a", "a", "b", "b c"] {
            shard.exercise_without_bits(used(0), &scopes(names));
        }
        for number in 1..=Spill::MAX_WITH_SCOPES as u64 {
            shard.exercise_without_bits(used(number), &scopes("a"));
        }
        let kept = shard.drain_scopes();
        assert_eq!(kept.len(), Spill::MAX_WITH_SCOPES);
        assert_eq!(kept[&used(0)], scopes("a b c"));
        assert!(shard.drain_scopes().is_empty());
    }

    #[test]
    fn beyond_the_bound_counts_are_dropped_and_their_number_is_told() {
        let shard = Shard::new();
        let keys = (Spill::MAX + 3 * SLOTS) as u64;
        for number in 0..keys {
            shard.count(used(number), Outcome::Allowed(0));
        }
        let kept = drained(&shard).len() as u64;
        assert!(shard.dropped() > 0);
        assert_eq!(kept + shard.dropped(), keys);
        assert!(kept <= (Spill::MAX + SLOTS + WINDOW) as u64);
    }
}
