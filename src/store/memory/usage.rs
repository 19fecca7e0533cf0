//! The memory store's usage.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;

use crate::record::id::KeyId;
use crate::record::moment::Moment;
use crate::scope::set::ScopeSet;
use crate::store::contract::usage::{KeyUse, UsageBatch, UsageBucket};

/// Usage buckets by key, and the last sequence number of each writer.
#[derive(Default)]
pub(super) struct Counters {
    by_key: BTreeMap<KeyId, Buckets>,
    writers: BTreeMap<[u8; 16], Writer>,
}

type Buckets = BTreeMap<(Moment, u32), Bucket>;

#[derive(Clone, Default)]
struct Bucket {
    allowed: u64,
    refused: u64,
    scopes: ScopeSet,
}

struct Writer {
    sequence: u64,
    last_used_at: Moment,
}

impl Counters {
    /// How many buckets of one key are kept: 100 days of one secret.
    pub(super) const MAX_BUCKETS: usize = 2_400;
    /// How many writers are remembered.
    pub(super) const MAX_WRITERS: usize = 10_000;

    /// Whether the batch is to be counted; it is noted that it was.
    pub(super) fn accept(&mut self, batch: &UsageBatch) -> bool {
        let Some(last_used_at) = batch.last_used_at() else {
            return false;
        };
        let last_used_at = Moment::floor(last_used_at);
        let sequence = batch.sequence();
        if let Some(writer) = self.writers.get_mut(batch.writer()) {
            let is_new = sequence > writer.sequence;
            if is_new {
                writer.sequence = sequence;
                writer.last_used_at = writer.last_used_at.max(last_used_at);
            }
            return is_new;
        }
        if self.writers.len() == Self::MAX_WRITERS {
            let oldest = self.writers.iter().min_by_key(|(_, one)| one.last_used_at);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.map(|key| self.writers.remove(&key));
        }
        let writer = Writer {
            sequence,
            last_used_at,
        };
        self.writers.insert(*batch.writer(), writer);
        true
    }

    /// Adds a usage record of a secret that exists.
    pub(super) fn add(&mut self, one: &KeyUse) {
        if one.allowed() == 0 && one.refused() == 0 && one.exercised().is_empty() {
            return;
        }
        let buckets = self.by_key.entry(one.key()).or_default();
        let place = (Moment::floor(one.hour()), one.secret_version());
        let bucket = buckets.entry(place).or_default();
        bucket.allowed = bucket.allowed.saturating_add(one.allowed());
        bucket.refused = bucket.refused.saturating_add(one.refused());
        if !bucket.scopes.contains_all(one.exercised()) {
            bucket.scopes = bucket.scopes.union(one.exercised());
        }
        if buckets.len() > Self::MAX_BUCKETS {
            buckets.pop_first();
        }
    }

    pub(super) fn forget(&mut self, id: &KeyId) {
        self.by_key.remove(id);
    }

    pub(super) fn buckets(&self, id: &KeyId, hours: Range<Timestamp>) -> Vec<UsageBucket> {
        let hours = Moment::floor(hours.start)..Moment::floor(hours.end);
        let buckets = self.by_key.get(id).into_iter().flatten();
        buckets
            .filter(|((hour, _), _)| hours.contains(hour))
            .map(|((hour, version), bucket)| {
                UsageBucket::new(hour.timestamp(), *version, bucket.allowed, bucket.refused)
                    .with_scopes(bucket.scopes.clone())
            })
            .collect()
    }

    /// Returns how many buckets it removed.
    pub(super) fn forget_before(&mut self, hour: Timestamp) -> usize {
        let end = Moment::floor(hour);
        let mut forgotten = 0;
        self.by_key.retain(|_, buckets| {
            let before = buckets.len();
            buckets.retain(|(hour, _), _| *hour >= end);
            forgotten += before - buckets.len();
            !buckets.is_empty()
        });
        self.writers.retain(|_, writer| writer.last_used_at >= end);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way() {
        let mut counters = Counters::default();
        let id = KeyId::from_bytes([1; 16]);
        let time = |hour: usize| Timestamp::from_second(i64::try_from(hour).unwrap() * 3_600);
        let batch = |number: usize, sequence| {
            let mut writer = [0; 16];
            writer[..8].copy_from_slice(&number.to_be_bytes());
            let one = KeyUse::new(id, 1, time(number).unwrap()).with_allowed(1);
            UsageBatch::new(writer, sequence, [one])
        };
        for number in 0..=Counters::MAX_WRITERS {
            let batch = batch(number, 1);
            assert!(counters.accept(&batch));
            batch.uses().iter().for_each(|one| counters.add(one));
        }
        for (number, is_new) in [(1, false), (Counters::MAX_WRITERS, false), (0, true)] {
            assert_eq!(counters.accept(&batch(number, 1)), is_new, "{number}");
        }
        let buckets = counters.buckets(&id, Timestamp::MIN..Timestamp::MAX);
        assert_eq!(buckets.len(), Counters::MAX_BUCKETS);
        let newest = time(Counters::MAX_WRITERS).unwrap();
        assert_eq!(buckets.last(), Some(&UsageBucket::new(newest, 1, 1, 0)));
    }
}
