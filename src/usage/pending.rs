//! Counts that the store has not taken yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::record::id::KeyId;
use crate::store::contract::usage::{KeyUse, SECONDS_PER_HOUR, UsageBatch, start_of_hour};

/// Counts that the store has not taken yet: sums, and the batch that is being written.
pub(super) struct Pending {
    writer: [u8; 16],
    /// The number of the last batch.
    sequence: u64,
    /// By hour, so that the oldest are written first.
    sums: BTreeMap<(Timestamp, KeyId, u32), KeyUse>,
    /// Written as it is, under its number, until the store has confirmed it.
    batch: Option<Arc<UsageBatch>>,
    collected_at: Option<Timestamp>,
}

impl Pending {
    pub(super) fn new(writer: [u8; 16]) -> Self {
        Self {
            writer,
            sequence: 0,
            sums: BTreeMap::new(),
            batch: None,
            collected_at: None,
        }
    }

    /// The time of the uses that are collected now.
    ///
    /// In a collection that comes with the turn of the hour, they are nearly all of the hour before.
    pub(super) fn date(&mut self, now: Timestamp) -> Timestamp {
        let hour = start_of_hour(now);
        let previous = self.collected_at.replace(now).map(start_of_hour);
        let one_hour = SignedDuration::from_secs(SECONDS_PER_HOUR);
        let turned = previous.is_some_and(|previous| hour.duration_since(previous) == one_hour);
        let last = hour.checked_sub(SignedDuration::from_micros(1));
        if turned { last.unwrap_or(now) } else { now }
    }

    /// Adds a use, unless it takes room that there is not.
    pub(super) fn add(&mut self, one: KeyUse, room: usize) -> Result<(), KeyUse> {
        let place = (one.hour(), one.key(), one.secret_version());
        if let Some(sum) = self.sums.get_mut(&place) {
            sum.merge(&one);
        } else if self.waiting() < room || self.is_in_batch(&one) {
            self.sums.insert(place, one);
        } else {
            return Err(one);
        }
        Ok(())
    }

    /// Whether the batch that is being written counts the same secret and hour.
    fn is_in_batch(&self, one: &KeyUse) -> bool {
        let place = |one: &KeyUse| (one.key(), one.secret_version(), one.hour());
        // OK because a batch is in this order.
        self.batch.as_ref().is_some_and(|batch| {
            let found = batch.uses().binary_search_by_key(&place(one), place);
            found.is_ok()
        })
    }

    /// The batch to be written: the last one, until it is confirmed, or a new one of at most so many
    /// sums.
    pub(super) fn batch(&mut self, most: usize) -> Option<Arc<UsageBatch>> {
        if self.batch.is_none() && !self.sums.is_empty() {
            let count = self.sums.len().min(most);
            let sums = (0..count).filter_map(|_| self.sums.pop_first());
            let uses: Vec<_> = sums.map(|(_, one)| one).collect();
            self.sequence += 1;
            let batch = UsageBatch::new(self.writer, self.sequence, uses);
            self.batch = Some(Arc::new(batch));
        }
        self.batch.clone()
    }

    /// Notes that the store has taken the batch.
    pub(super) fn confirm(&mut self) {
        self.batch = None;
    }

    /// How many sums wait.
    pub(super) fn waiting(&self) -> usize {
        let batch = self.batch.as_ref().map_or(0, |batch| batch.uses().len());
        self.sums.len() + batch
    }

    /// How many counted requests wait.
    pub(super) fn requests(&self) -> u64 {
        let batch = self.batch.iter().flat_map(|batch| batch.uses());
        batch.chain(self.sums.values()).map(requests).sum()
    }
}

/// How many requests a use counts.
pub(super) fn requests(one: &KeyUse) -> u64 {
    one.allowed() + one.refused()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_of_an_hour_counts_for_the_hour_before() {
        let time = |text: &str| -> Timestamp { format!("2026-01-01T{text}Z").parse().unwrap() };
        let mut pending = Pending::new([1; 16]);
        for (now, dated) in [
            ("09:59:59.5", "09:59:59.5"),
            ("10:00:00.001", "09:59:59.999999"),
            ("10:00:01", "10:00:01"),
            ("10:59:59.999", "10:59:59.999"),
            ("11:00:00", "10:59:59.999999"),
            // After more than an hour without a collection, nobody knows.
            ("13:00:00", "13:00:00"),
            // A clock that is set back.
            ("12:59:59", "12:59:59"),
            ("12:59:59", "12:59:59"),
        ] {
            assert_eq!(pending.date(time(now)), time(dated), "{now}");
        }
    }

    #[test]
    fn sums_merge_within_the_bound_and_a_batch_stays_as_it_is() {
        let id = |octet| KeyId::from_bytes([octet; 16]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let one = |octet, second| KeyUse::new(id(octet), 1, at(second)).with_allowed(1);
        let mut pending = Pending::new([1; 16]);
        assert!(pending.batch(2).is_none());
        for (octet, second) in [(1, 3_600), (2, 0), (1, 3_601), (1, 0)] {
            assert_eq!(pending.add(one(octet, second), 3), Ok(()));
        }
        // There is no room for a fourth sum, but for a fifth use.
        assert_eq!(pending.add(one(3, 0), 3), Err(one(3, 0)));
        assert_eq!(pending.add(one(1, 1), 3), Ok(()));
        assert_eq!((pending.waiting(), pending.requests()), (3, 5));

        let first = pending.batch(2).unwrap();
        assert_eq!(first.sequence(), 1);
        assert_eq!(first.uses(), [one(1, 1).with_allowed(2), one(2, 0)]);
        assert_eq!(pending.add(one(3, 0), 3), Err(one(3, 0)));
        // What the batch counts takes no room.
        assert_eq!(pending.add(one(2, 0), 3), Ok(()));
        assert!(Arc::ptr_eq(&first, &pending.batch(2).unwrap()));
        assert_eq!((pending.waiting(), pending.requests()), (4, 6));
        pending.confirm();
        let second = pending.batch(9).unwrap();
        assert_eq!(second.sequence(), 2);
        assert_eq!(second.uses(), [one(1, 3_601).with_allowed(2), one(2, 0)]);
        pending.confirm();
        assert!(pending.batch(9).is_none());
    }
}
