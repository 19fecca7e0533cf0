//! The places of what a map holds.

use crate::key::digest::KeyDigest;

/// The places of a [`BoundedMap`](super::bounded::BoundedMap): as many as its capacity, filled in
/// turn.
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

    /// How many there ever were at a time.
    #[cfg(test)]
    pub(super) fn most(&self) -> usize {
        self.digests.len()
    }

    pub(super) fn digest(&self, slot: u32) -> Option<KeyDigest> {
        self.digests.get(slot as usize).copied().flatten()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// A place for this digest; there must be one.
    pub(super) fn take(&mut self, digest: KeyDigest) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.digests[slot as usize] = Some(digest);
            return slot;
        }
        self.digests.push(Some(digest));
        // OK because there are no more slots than the capacity, which is a `u32`.
        u32::try_from(self.digests.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn give_back(&mut self, slot: u32) {
        self.digests[slot as usize] = None;
        self.free.push(slot);
    }

    /// What stands at the hand, which then goes on by one place; there must be one.
    pub(super) fn turn_hand(&mut self) -> Option<KeyDigest> {
        let digest = self.digests[self.hand];
        self.hand = (self.hand + 1) % self.digests.len();
        digest
    }
}
