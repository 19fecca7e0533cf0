//! A map of digests that never holds more than its capacity.

use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::quality::RandomState;

use crate::key::digest::KeyDigest;

/// What is remembered of digests. Reads take no lock and write to nothing that other reads touch,
/// so that two cores do not wait for each other even when they ask for the same key.
///
/// Writes need the [`Slots`] of this map, which its owner keeps behind a lock.
pub(super) struct BoundedMap<V>(papaya::HashMap<KeyDigest, Held<V>, RandomState>);

struct Held<V> {
    value: V,
    slot: u32,
    /// Whether it was read since the hand last passed.
    used: AtomicBool,
}

impl<V> BoundedMap<V> {
    pub(super) fn new() -> Self {
        Self(papaya::HashMap::default())
    }

    /// What `read` makes of the value. An answer counts as a use, which keeps the value longer.
    #[inline]
    pub(super) fn read<T>(
        &self,
        digest: &KeyDigest,
        read: impl FnOnce(&V) -> Option<T>,
    ) -> Option<T> {
        let map = self.0.pin();
        let held = map.get(digest)?;
        let answer = read(&held.value)?;
        // Read before writing: only the first use writes to what all cores read.
        if !held.used.load(Ordering::Relaxed) {
            held.used.store(true, Ordering::Relaxed);
        }
        Some(answer)
    }

    /// What `read` makes of the value, without counting as a use.
    pub(super) fn peek<T>(&self, digest: &KeyDigest, read: impl FnOnce(&V) -> T) -> Option<T> {
        self.0.pin().get(digest).map(|held| read(&held.value))
    }

    /// Remembers a value and returns its slot; `gone` is told what it takes the place of.
    pub(super) fn insert(
        &self,
        slots: &mut Slots,
        digest: KeyDigest,
        value: V,
        mut gone: impl FnMut(u32, &V),
    ) -> u32 {
        let map = self.0.pin();
        let slot = if let Some(old) = map.get(&digest) {
            gone(old.slot, &old.value);
            old.slot
        } else {
            if slots.is_full() {
                self.evict(slots, &mut gone);
            }
            slots.take(digest)
        };
        let used = AtomicBool::new(false);
        map.insert(digest, Held { value, slot, used });
        slot
    }

    /// Forgets a value; `gone` is told of it.
    pub(super) fn remove(
        &self,
        slots: &mut Slots,
        digest: &KeyDigest,
        mut gone: impl FnMut(u32, &V),
    ) {
        if let Some(held) = self.0.pin().remove(digest) {
            slots.give_back(held.slot);
            gone(held.slot, &held.value);
        }
    }

    /// Makes room: forgets the first value at the hand that was not used since it last passed.
    fn evict(&self, slots: &mut Slots, gone: &mut impl FnMut(u32, &V)) {
        let map = self.0.pin();
        for pass in 1.. {
            let Some(digest) = slots.turn_hand() else {
                continue;
            };
            let used = |held: &Held<V>| held.used.swap(false, Ordering::Relaxed);
            if pass == MAX_PASSES || !map.get(&digest).is_some_and(used) {
                self.remove(slots, &digest, gone);
                return;
            }
        }
    }
}

/// How many used values the hand passes at most, so that no insertion takes long.
const MAX_PASSES: usize = 64;

/// The places of a [`BoundedMap`]: as many as its capacity, filled in turn.
pub(super) struct Slots {
    capacity: usize,
    digests: Vec<Option<KeyDigest>>,
    free: Vec<u32>,
    hand: usize,
}

impl Slots {
    /// No more than so many values, which must not be zero.
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            capacity: capacity as usize,
            digests: Vec::new(),
            free: Vec::new(),
            hand: 0,
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.digests.len() - self.free.len()
    }

    pub(super) fn digest(&self, slot: u32) -> Option<KeyDigest> {
        self.digests.get(slot as usize).copied().flatten()
    }

    fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    fn take(&mut self, digest: KeyDigest) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.digests[slot as usize] = Some(digest);
            return slot;
        }
        self.digests.push(Some(digest));
        // OK because there are no more slots than the capacity, which is a `u32`.
        u32::try_from(self.digests.len() - 1).unwrap_or(u32::MAX)
    }

    fn give_back(&mut self, slot: u32) {
        self.digests[slot as usize] = None;
        self.free.push(slot);
    }

    fn turn_hand(&mut self) -> Option<KeyDigest> {
        let digest = self.digests[self.hand];
        self.hand = (self.hand + 1) % self.digests.len();
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> KeyDigest {
        let mut octets = [0; 32];
        octets[..4].copy_from_slice(&number.to_le_bytes());
        KeyDigest::from_bytes(octets)
    }

    fn read(map: &BoundedMap<u32>, number: u32) -> Option<u32> {
        map.read(&digest(number), |value| Some(*value))
    }

    #[test]
    fn what_was_not_used_goes_first() {
        let (map, mut slots) = (BoundedMap::new(), Slots::new(3));
        for number in 0..3 {
            map.insert(&mut slots, digest(number), number, |_, _| panic!("gone"));
        }
        assert_eq!(read(&map, 0), Some(0));
        let mut gone = Vec::new();
        for number in 3..5 {
            map.insert(&mut slots, digest(number), number, |slot, value| {
                gone.push((slot, *value));
            });
        }
        assert_eq!(gone, [(1, 1), (2, 2)]);
        assert_eq!(slots.len(), 3);
        let left: Vec<_> = (0..5).filter_map(|number| read(&map, number)).collect();
        assert_eq!(left, [0, 3, 4]);
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_old_one() {
        let (map, mut slots) = (BoundedMap::new(), Slots::new(3));
        let mut gone = Vec::new();
        for value in 0..100 {
            map.insert(&mut slots, digest(7), value, |slot, value| {
                gone.push((slot, *value));
            });
        }
        assert_eq!(read(&map, 7), Some(99));
        assert_eq!(gone, (0..99).map(|value| (0, value)).collect::<Vec<_>>());
        assert_eq!((slots.len(), slots.digests.len()), (1, 1));
    }

    /// Insertions and removals in every order leave neither a slot nor a value behind.
    #[test]
    fn nothing_grows_beyond_the_capacity() {
        let (map, mut slots) = (BoundedMap::new(), Slots::new(10));
        let mut held = std::collections::BTreeMap::new();
        for step in 0..20_000_u32 {
            let number = step.wrapping_mul(2_654_435_761) % 40;
            if step % 3 == 0 {
                map.remove(&mut slots, &digest(number), |slot, value| {
                    assert_eq!(held.remove(&slot), Some(*value));
                });
            } else {
                read(&map, number + 1);
                let slot = map.insert(&mut slots, digest(number), number, |slot, value| {
                    assert_eq!(held.remove(&slot), Some(*value));
                });
                assert_eq!(held.insert(slot, number), None);
            }
            assert!(held.len() <= 10);
            assert_eq!((held.len(), map.0.len()), (slots.len(), slots.len()));
            for (slot, number) in &held {
                assert_eq!(slots.digest(*slot), Some(digest(*number)));
                assert_eq!(map.peek(&digest(*number), |value| *value), Some(*number));
            }
        }
        assert_eq!(slots.digests.len(), 10);
    }

    #[test]
    fn the_hand_passes_so_many_used_values_and_no_more() {
        let (map, mut slots) = (BoundedMap::new(), Slots::new(1_000));
        for number in 0..1_000 {
            map.insert(&mut slots, digest(number), number, |_, _| panic!("gone"));
            read(&map, number);
        }
        let mut gone = Vec::new();
        map.insert(&mut slots, digest(1_000), 1_000, |_, value| {
            gone.push(*value);
        });
        assert_eq!(gone, [63]);
    }
}
