//! A map of digests that never holds more than its capacity.

use std::hash::BuildHasher;
use std::iter;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use foldhash::fast::FixedState;
use foldhash::quality::RandomState;

use super::slots::Slots;
use crate::key::digest::KeyDigest;
use crate::store::generation::Generation;

/// What is remembered of digests. Reads take no lock and write to nothing that other reads touch,
/// so that two cores do not wait for each other even when they ask for the same key.
///
/// Writes need the [`Slots`] of this map, which its owner keeps behind a lock.
///
/// There are at least as many buckets as values, so that most hold one, and the digests are spread
/// over them under a random seed, so that nobody can aim at one. A bucket never changes: another
/// takes its place at once.
pub(super) struct BoundedMap<V> {
    seed: RandomState,
    /// By how many bits of its hash a digest finds its bucket.
    bits: u32,
    buckets: papaya::HashMap<u32, Bucket<V>, FixedState>,
    /// Another era begins when everything is forgotten.
    era: AtomicU32,
    generation: Generation,
}

struct Bucket<V> {
    /// In the bucket itself, since most are found here.
    first: Held<V>,
    others: Box<[Held<V>]>,
}

struct Held<V> {
    /// The part of the hash that did not choose the bucket.
    tag: u32,
    slot: u32,
    era: u32,
    /// Whether it was read since the hand last passed.
    used: AtomicBool,
    digest: KeyDigest,
    value: V,
}

/// How many used values the hand passes at most, so that no insertion takes long.
const MAX_PASSES: usize = 64;

impl<V: Clone> BoundedMap<V> {
    /// A map for so many values.
    pub(super) fn new(capacity: u32) -> Self {
        let buckets = u64::from(capacity).next_power_of_two();
        Self {
            seed: RandomState::default(),
            bits: buckets.trailing_zeros(),
            buckets: papaya::HashMap::default(),
            era: AtomicU32::new(0),
            generation: Generation::default(),
        }
    }

    /// Tells whether values that were read are still there.
    pub(super) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// What `read` makes of the value. An answer counts as a use, which keeps the value longer.
    ///
    /// One from a copy of the value does not, but no copy outlives an eviction, so that each is read
    /// again between one and the next.
    #[inline]
    pub(super) fn read<T>(
        &self,
        digest: &KeyDigest,
        read: impl FnOnce(&V) -> Option<T>,
    ) -> Option<T> {
        let era = self.era.load(Ordering::Acquire);
        self.find(digest, |held| {
            if held.era != era {
                return None;
            }
            let answer = read(&held.value)?;
            // Read before writing: only the first use writes to what all cores read.
            if !held.used.load(Ordering::Relaxed) {
                held.used.store(true, Ordering::Relaxed);
            }
            Some(answer)
        })
    }

    /// What `read` makes of the value, without counting as a use.
    pub(super) fn peek<T>(&self, digest: &KeyDigest, read: impl FnOnce(&V) -> T) -> Option<T> {
        let era = self.era.load(Ordering::Acquire);
        self.find(digest, |held| (held.era == era).then(|| read(&held.value)))
    }

    /// Whether there is a value, be it one from before everything was forgotten.
    pub(super) fn holds(&self, digest: &KeyDigest) -> bool {
        self.find(digest, |_| Some(())).is_some()
    }

    /// Remembers a value and returns its slot; `gone` is told what it takes the place of.
    pub(super) fn insert(
        &self,
        slots: &mut Slots,
        digest: KeyDigest,
        value: V,
        mut gone: impl FnMut(u32, &V),
    ) -> u32 {
        let old = self.find(&digest, |old| {
            gone(old.slot, &old.value);
            Some(old.slot)
        });
        let slot = old.unwrap_or_else(|| {
            if slots.is_full() {
                self.evict(slots, &mut gone);
            }
            slots.take(digest)
        });
        let (place, tag) = self.place(&digest);
        let held = Held {
            tag,
            slot,
            era: self.era.load(Ordering::Relaxed),
            used: AtomicBool::new(false),
            digest,
            value,
        };
        if old.is_some() {
            self.generation
                .change(|| self.change(place, &digest, Some(held)));
        } else {
            self.change(place, &digest, Some(held));
        }
        slot
    }

    /// Forgets a value; `gone` is told of it.
    pub(super) fn remove(
        &self,
        slots: &mut Slots,
        digest: &KeyDigest,
        mut gone: impl FnMut(u32, &V),
    ) {
        let slot = self.find(digest, |held| {
            gone(held.slot, &held.value);
            Some(held.slot)
        });
        if let Some(slot) = slot {
            self.generation
                .change(|| self.change(self.place(digest).0, digest, None));
            slots.give_back(slot);
        }
    }

    /// Forgets everything, at once: what is still held is of the past.
    pub(super) fn forget_all(&self) {
        self.generation
            .change(|| self.era.fetch_add(1, Ordering::Release));
    }

    #[inline]
    fn find<T>(&self, digest: &KeyDigest, take: impl FnOnce(&Held<V>) -> Option<T>) -> Option<T> {
        let (place, tag) = self.place(digest);
        let buckets = self.buckets.pin();
        let bucket = buckets.get(&place)?;
        let is = |one: &Held<V>| one.tag == tag && one.digest == *digest;
        if is(&bucket.first) {
            return take(&bucket.first);
        }
        bucket.others.iter().find(|one| is(one)).and_then(take)
    }

    /// Has this bucket hold that value for the digest, or none.
    fn change(&self, place: u32, digest: &KeyDigest, value: Option<Held<V>>) {
        let buckets = self.buckets.pin();
        let before = buckets.get(&place).into_iter().flat_map(Bucket::iter);
        let others = before.filter(|one| one.digest != *digest).cloned();
        let mut after = value.into_iter().chain(others);
        if let Some(first) = after.next() {
            let others = after.collect();
            buckets.insert(place, Bucket { first, others });
        } else {
            buckets.remove(&place);
        }
    }

    /// The bucket of a digest, and the rest of its hash.
    #[inline]
    fn place(&self, digest: &KeyDigest) -> (u32, u32) {
        let hash = self.seed.hash_one(digest);
        let half = |hash| u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default();
        // In two steps, since a shift by 64 is none.
        (half(hash >> 1 >> (63 - self.bits)), half(hash))
    }

    /// Makes room: forgets the first value at the hand that was not used since it last passed.
    fn evict(&self, slots: &mut Slots, gone: &mut impl FnMut(u32, &V)) {
        for pass in 1.. {
            let Some(digest) = slots.turn_hand() else {
                continue;
            };
            let used = |held: &Held<V>| Some(held.used.swap(false, Ordering::Relaxed));
            if pass == MAX_PASSES || self.find(&digest, used) != Some(true) {
                self.remove(slots, &digest, gone);
                return;
            }
        }
    }
}

impl<V> Bucket<V> {
    fn iter(&self) -> impl Iterator<Item = &Held<V>> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl<V: Clone> Clone for Held<V> {
    fn clone(&self) -> Self {
        Self {
            tag: self.tag,
            slot: self.slot,
            era: self.era,
            used: AtomicBool::new(self.used.load(Ordering::Relaxed)),
            digest: self.digest,
            value: self.value.clone(),
        }
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

    fn len(map: &BoundedMap<u32>) -> usize {
        let buckets = map.buckets.pin();
        buckets.values().map(|bucket| bucket.iter().count()).sum()
    }

    fn read(map: &BoundedMap<u32>, number: u32) -> Option<u32> {
        map.read(&digest(number), |value| Some(*value))
    }

    #[test]
    fn what_was_not_used_goes_first() {
        let (map, mut slots) = (BoundedMap::new(3), Slots::new(3));
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
        let (map, mut slots) = (BoundedMap::new(3), Slots::new(3));
        let mut gone = Vec::new();
        for value in 0..100 {
            map.insert(&mut slots, digest(7), value, |slot, value| {
                gone.push((slot, *value));
            });
        }
        assert_eq!(read(&map, 7), Some(99));
        assert_eq!(gone, (0..99).map(|value| (0, value)).collect::<Vec<_>>());
        assert_eq!((slots.len(), slots.most()), (1, 1));
    }

    /// Insertions and removals in every order leave neither a slot nor a value behind.
    #[test]
    fn nothing_grows_beyond_the_capacity() {
        let (map, mut slots) = (BoundedMap::new(10), Slots::new(10));
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
            assert_eq!((held.len(), len(&map)), (slots.len(), slots.len()));
            for (slot, number) in &held {
                assert_eq!(slots.digest(*slot), Some(digest(*number)));
                assert_eq!(map.peek(&digest(*number), |value| *value), Some(*number));
            }
        }
        assert_eq!(slots.most(), 10);
    }

    #[test]
    fn the_hand_passes_so_many_used_values_and_no_more() {
        let (map, mut slots) = (BoundedMap::new(1_000), Slots::new(1_000));
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
