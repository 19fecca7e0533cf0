//! The memory store's counts of uses.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;

use super::scope_use::ScopeUse;
use super::usage::{KeyUse, UsageBatch, UsageBucket};
use crate::record::id::KeyId;
use crate::record::moment::Moment;
use crate::scope::name::Scope;

/// Sums of uses by key, the scopes that each exercised, and how far each writer has come.
#[derive(Default)]
pub(super) struct Ledger {
    by_key: BTreeMap<KeyId, Sums>,
    scopes: BTreeMap<KeyId, BTreeMap<Scope, Hours>>,
    writers: BTreeMap<[u8; 16], Writer>,
}

type Sums = BTreeMap<(Moment, u32), Counts>;

/// The first and the last.
type Hours = (Moment, Moment);

#[derive(Clone, Copy, Default)]
struct Counts {
    allowed: u64,
    refused: u64,
}

struct Writer {
    sequence: u64,
    heard_at: Moment,
}

impl Ledger {
    /// How many sums of one key are kept: 100 days of one secret.
    pub(super) const MAX_SUMS: usize = 2_400;
    /// How many writers are remembered.
    pub(super) const MAX_WRITERS: usize = 10_000;

    /// Whether the batch is to be counted; it is noted that it was.
    pub(super) fn accept(&mut self, batch: &UsageBatch) -> bool {
        let Some(heard_at) = batch.last_used_at() else {
            return false;
        };
        let heard_at = Moment::floor(heard_at);
        let sequence = batch.sequence();
        if let Some(writer) = self.writers.get_mut(batch.writer()) {
            let is_new = sequence > writer.sequence;
            if is_new {
                writer.sequence = sequence;
                writer.heard_at = writer.heard_at.max(heard_at);
            }
            return is_new;
        }
        if self.writers.len() == Self::MAX_WRITERS {
            let oldest = self.writers.iter().min_by_key(|(_, one)| one.heard_at);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.map(|key| self.writers.remove(&key));
        }
        let writer = Writer { sequence, heard_at };
        self.writers.insert(*batch.writer(), writer);
        true
    }

    /// Adds a use of a version that exists.
    pub(super) fn add(&mut self, one: &KeyUse) {
        self.exercise(one);
        if one.allowed() == 0 && one.refused() == 0 {
            return;
        }
        let sums = self.by_key.entry(one.key()).or_default();
        let place = (Moment::floor(one.hour()), one.secret_version());
        let sum = sums.entry(place).or_default();
        sum.allowed = sum.allowed.saturating_add(one.allowed());
        sum.refused = sum.refused.saturating_add(one.refused());
        if sums.len() > Self::MAX_SUMS {
            sums.pop_first();
        }
    }

    fn exercise(&mut self, one: &KeyUse) {
        if one.exercised().is_empty() {
            return;
        }
        let hour = Moment::floor(one.hour());
        let scopes = self.scopes.entry(one.key()).or_default();
        for scope in one.exercised().iter() {
            match scopes.get_mut(scope) {
                Some((first, last)) => {
                    *first = hour.min(*first);
                    *last = hour.max(*last);
                }
                None => {
                    scopes.insert(scope.clone(), (hour, hour));
                }
            }
        }
    }

    pub(super) fn forget(&mut self, id: &KeyId) {
        self.by_key.remove(id);
        self.forget_scopes(id);
    }

    pub(super) fn forget_scopes(&mut self, id: &KeyId) {
        self.scopes.remove(id);
    }

    pub(super) fn scope_uses(&self, id: &KeyId) -> Vec<ScopeUse> {
        let scopes = self.scopes.get(id).into_iter().flatten();
        scopes
            .map(|(scope, (first, last))| {
                ScopeUse::new(scope.clone(), first.timestamp(), last.timestamp())
            })
            .collect()
    }

    pub(super) fn buckets(&self, id: &KeyId, hours: Range<Timestamp>) -> Vec<UsageBucket> {
        let hours = Moment::floor(hours.start)..Moment::floor(hours.end);
        let sums = self.by_key.get(id).into_iter().flatten();
        sums.filter(|((hour, _), _)| hours.contains(hour))
            .map(|((hour, version), sum)| {
                UsageBucket::new(hour.timestamp(), *version, sum.allowed, sum.refused)
            })
            .collect()
    }

    /// How many sums it forgot.
    pub(super) fn forget_before(&mut self, hour: Timestamp) -> usize {
        let end = Moment::floor(hour);
        let mut forgotten = 0;
        self.by_key.retain(|_, sums| {
            let before = sums.len();
            sums.retain(|(hour, _), _| *hour >= end);
            forgotten += before - sums.len();
            !sums.is_empty()
        });
        self.writers.retain(|_, writer| writer.heard_at >= end);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way() {
        let mut ledger = Ledger::default();
        let id = KeyId::from_bytes([1; 16]);
        let time = |hour: usize| Timestamp::from_second(i64::try_from(hour).unwrap() * 3_600);
        let batch = |number: usize, sequence| {
            let mut writer = [0; 16];
            writer[..8].copy_from_slice(&number.to_be_bytes());
            let one = KeyUse::new(id, 1, time(number).unwrap()).with_allowed(1);
            UsageBatch::new(writer, sequence, [one])
        };
        for number in 0..=Ledger::MAX_WRITERS {
            let batch = batch(number, 1);
            assert!(ledger.accept(&batch));
            batch.uses().iter().for_each(|one| ledger.add(one));
        }
        for (number, is_new) in [(1, false), (Ledger::MAX_WRITERS, false), (0, true)] {
            assert_eq!(ledger.accept(&batch(number, 1)), is_new, "{number}");
        }
        let buckets = ledger.buckets(&id, Timestamp::MIN..Timestamp::MAX);
        assert_eq!(buckets.len(), Ledger::MAX_SUMS);
        let newest = time(Ledger::MAX_WRITERS).unwrap();
        assert_eq!(buckets.last(), Some(&UsageBucket::new(newest, 1, 1, 0)));
    }
}
