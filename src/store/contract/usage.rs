//! Usage records.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use crate::record::id::KeyId;
use crate::record::moment::Moment;
use crate::scope::set::ScopeSet;

/// How often one secret version of a key was used within an hour, when last, and which scopes that
/// needed. The time is kept to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    key: KeyId,
    secret_version: u32,
    last_used_at: Moment,
    allowed: u64,
    refused: u64,
    exercised: ScopeSet,
}

impl KeyUse {
    /// The largest count of one use: 2^53. A higher one counts as this, so that the sums of a store
    /// stay below 2^63.
    pub const MAX_COUNT: u64 = 1 << 53;

    /// The use of that version of that key, last at that time, as yet without counts.
    pub fn new(key: KeyId, secret_version: u32, last_used_at: Timestamp) -> Self {
        Self {
            key,
            secret_version,
            last_used_at: Moment::floor(last_used_at),
            allowed: 0,
            refused: 0,
            exercised: ScopeSet::new(),
        }
    }

    /// Counts that many requests that were let in. Default: 0.
    #[must_use]
    pub fn with_allowed(self, allowed: u64) -> Self {
        Self {
            allowed: allowed.min(Self::MAX_COUNT),
            ..self
        }
    }

    /// Counts that many requests that were refused for a scope. Default: 0.
    #[must_use]
    pub fn with_refused(self, refused: u64) -> Self {
        Self {
            refused: refused.min(Self::MAX_COUNT),
            ..self
        }
    }

    /// Says which scopes the requests that were let in needed. Default: none.
    #[must_use]
    pub fn with_exercised(self, exercised: impl Into<ScopeSet>) -> Self {
        Self {
            exercised: exercised.into(),
            ..self
        }
    }

    /// The key.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The number of the secret version.
    pub fn secret_version(&self) -> u32 {
        self.secret_version
    }

    /// When it was last used.
    pub fn last_used_at(&self) -> Timestamp {
        self.last_used_at.timestamp()
    }

    /// The start of the hour of the counts: that of [`last_used_at`](Self::last_used_at), in UTC.
    pub fn hour(&self) -> Timestamp {
        start_of_hour(self.last_used_at())
    }

    /// How many requests were let in.
    pub fn allowed(&self) -> u64 {
        self.allowed
    }

    /// How many requests were refused for a scope.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Which scopes the requests that were let in needed.
    pub fn exercised(&self) -> &ScopeSet {
        &self.exercised
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let sum = |one: u64, other| one.saturating_add(other).min(Self::MAX_COUNT);
        self.last_used_at = self.last_used_at.max(other.last_used_at);
        self.allowed = sum(self.allowed, other.allowed);
        self.refused = sum(self.refused, other.refused);
        if !self.exercised.contains_all(&other.exercised) {
            self.exercised = self.exercised.union(&other.exercised);
        }
    }
}

/// The start of the hour of a time, in UTC; of the first hour of the calendar, which is not whole,
/// the earliest time.
pub(crate) fn start_of_hour(time: Timestamp) -> Timestamp {
    let second = time.as_second();
    // jiff rounds towards 1970, so before it, what is left over may be negative.
    let second = second - i64::from(time.subsec_nanosecond() < 0);
    let hour = second.div_euclid(SECONDS_PER_HOUR);
    Timestamp::from_second(hour * SECONDS_PER_HOUR).unwrap_or(Timestamp::MIN)
}

pub(crate) const SECONDS_PER_HOUR: i64 = 3_600;

/// Usage records that one writer sends to a store in one step, for [`UsageStore::record_usage`].
///
/// A store counts each batch once, by the writer and the number, so a batch whose answer was lost
/// may be sent again as it is. A writer is one that lives through its sequence of numbers: a
/// process, say, which draws 16 random octets when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageBatch {
    writer: [u8; 16],
    sequence: u64,
    uses: Vec<KeyUse>,
}

impl UsageBatch {
    /// The batch of that number, which must be higher than that of any batch which the writer has
    /// sent before; numbers go up to 2^53.
    ///
    /// Uses of one secret version in one hour become one use.
    pub fn new(writer: [u8; 16], sequence: u64, uses: impl IntoIterator<Item = KeyUse>) -> Self {
        let mut merged = BTreeMap::<_, KeyUse>::new();
        for one in uses {
            merged
                .entry((one.key, one.secret_version, one.hour()))
                .and_modify(|first| first.merge(&one))
                .or_insert(one);
        }
        Self {
            writer,
            sequence,
            uses: merged.into_values().collect(),
        }
    }

    /// Who sends the batch.
    pub fn writer(&self) -> &[u8; 16] {
        &self.writer
    }

    /// The place of the batch among those of its writer.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The uses, by key, secret version and hour; of these three together, each has its own.
    pub fn uses(&self) -> &[KeyUse] {
        &self.uses
    }

    /// The latest use, by which a store tells writers that it may forget; `None` if there is none.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.uses.iter().map(KeyUse::last_used_at).max()
    }
}

/// How often one secret of a key was used in one hour, and with which scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageBucket {
    hour: Moment,
    secret_version: u32,
    allowed: u64,
    refused: u64,
    scopes: ScopeSet,
}

impl UsageBucket {
    /// The counters that a store has of that hour and secret, without scopes.
    pub fn new(hour: Timestamp, secret_version: u32, allowed: u64, refused: u64) -> Self {
        Self {
            hour: Moment::floor(hour),
            secret_version,
            allowed,
            refused,
            scopes: ScopeSet::new(),
        }
    }

    /// Sets the scopes that allowed requests needed. Defaults to none.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: scopes.into(),
            ..self
        }
    }

    /// The start of the hour, in UTC.
    pub fn hour(&self) -> Timestamp {
        self.hour.timestamp()
    }

    /// The number of the secret version.
    pub fn secret_version(&self) -> u32 {
        self.secret_version
    }

    /// How many requests were let in.
    pub fn allowed(&self) -> u64 {
        self.allowed
    }

    /// How many requests were refused for a scope.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The scopes that allowed requests needed.
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }
}

/// Counts the usage of keys.
///
/// # For implementers
///
/// - Keep counters and the union of the used scopes for each secret and hour, and the highest
///   sequence number of each writer.
/// - A batch with a sequence number not above the last one of its writer is ignored, all of it.
/// - Within a batch, a use of a key or secret that does not exist is ignored. One without counts and
///   scopes adds no bucket, but sets `last_used_at`. A batch without uses may be ignored.
/// - `last_used_at` of a secret only moves forward, without a new revision of the key.
/// - Buckets of a secret stay when a rotation drops it, and go when the key is deleted.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds a batch of usage records.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is counted, when the store fails. The same batch may be sent again,
    /// also when its answer was lost: it is counted once.
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError>;

    /// Returns the usage of a key in a half-open range of hours, ordered by hour, then by secret.
    /// Hours without usage have no bucket, and an unknown key has none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError>;

    /// Deletes the buckets of hours that start before that time, of every key, and writers whose
    /// [latest use](UsageBatch::last_used_at) was before; returns how many buckets were deleted.
    /// `last_used_at` stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError>;
}

/// A pointer to a usage store is one.
macro_rules! by_pointer {
    ($pointer:ident) => {
        #[async_trait]
        impl<S: UsageStore + ?Sized> UsageStore for $pointer<S> {
            async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
                (**self).record_usage(batch).await
            }

            async fn usage(
                &self,
                id: &KeyId,
                hours: Range<Timestamp>,
            ) -> Result<Vec<UsageBucket>, StoreError> {
                (**self).usage(id, hours).await
            }

            async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
                (**self).prune_usage_before(hour).await
            }
        }
    };
}

by_pointer!(Arc);
by_pointer!(Box);

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64, nanosecond: i32) -> Timestamp {
        Timestamp::new(second, nanosecond).unwrap()
    }

    #[test]
    fn an_hour_starts_at_its_first_second_on_either_side_of_1970() {
        for (second, nanosecond, start) in [
            (0, 0, 0),
            (3_599, 999_999_999, 0),
            (3_600, 0, 3_600),
            (0, -1, -3_600),
            (-1, 0, -3_600),
            (-3_600, 0, -3_600),
            (-3_600, -1_000, -7_200),
        ] {
            let found = KeyUse::new(KeyId::from_bytes([1; 16]), 1, time(second, nanosecond)).hour();
            assert_eq!(found, time(start, 0), "{second} {nanosecond}");
        }
        assert_eq!(start_of_hour(Timestamp::MIN), Timestamp::MIN);
    }

    #[test]
    fn a_batch_has_one_use_for_each_version_and_hour() {
        let [first, second] = [1, 2].map(|octet| KeyId::from_bytes([octet; 16]));
        let one = |key, version, at| KeyUse::new(key, version, time(at, 0));
        let scopes = |names: &str| names.parse::<ScopeSet>().unwrap();
        let batch = UsageBatch::new(
            [7; 16],
            3,
            [
                one(second, 1, 10).with_allowed(u64::MAX),
                one(first, 2, 5).with_refused(1),
                one(first, 1, 7)
                    .with_allowed(2)
                    .with_refused(1)
                    .with_exercised(scopes("a read")),
                one(second, 1, 3_600),
                one(first, 1, 6).with_allowed(3).with_exercised(scopes("b")),
                one(second, 1, 9).with_allowed(1),
            ],
        );
        let expected = [
            one(first, 1, 7)
                .with_allowed(5)
                .with_refused(1)
                .with_exercised(scopes("read a b")),
            one(first, 2, 5).with_refused(1),
            one(second, 1, 10).with_allowed(KeyUse::MAX_COUNT),
            one(second, 1, 3_600),
        ];
        assert_eq!(batch.uses(), expected);
        assert_eq!(batch.last_used_at(), Some(time(3_600, 0)));
        assert_eq!((batch.writer(), batch.sequence()), (&[7; 16], 3));
        assert_eq!(UsageBatch::new([7; 16], 4, []).last_used_at(), None);
    }
}
