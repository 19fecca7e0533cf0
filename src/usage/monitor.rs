//! The monitor.

use std::array;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::local::with_shard;
use super::scopes::ScopeBits;
use super::shard::Shard;
use super::slot::{Outcome, Used};
use super::stats::UsageStats;
use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::record::id::KeyId;
use crate::scope::set::ScopeSet;
use crate::store::contract::usage::KeyUse;

/// Counts the uses of keys; clones share one set of counts.
///
/// Give it to a layer by [`with_usage`](crate::middleware::ApiKeyLayer::with_usage), and to a
/// `UsageFlusher` (feature `tokio`), which writes the counts to a store. See the [module](super).
///
/// # Bounds
///
/// Each thread that counts takes 192 KiB, which a later thread takes over. A thread has slots for
/// 4,096 keys and counts another 65,536 between two collections at a higher cost; what is beyond is
/// dropped, and [`stats`](Self::stats) tells how much. Without anybody who collects, counts stay.
///
/// The first 64 scopes that are exercised have a bit in each slot. Others are noted at a higher cost,
/// of 4,096 keys of a thread between two collections.
#[derive(Clone)]
pub struct UsageMonitor(Arc<Shards>);

struct Shards {
    /// No other monitor of the process has the same.
    number: u64,
    all: Mutex<Vec<Arc<Shard>>>,
    scopes: ScopeBits,
    /// What was dropped after it had been collected.
    dropped: AtomicU64,
}

impl UsageMonitor {
    /// A monitor that has counted nothing yet.
    pub fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(Shards {
            number: LAST.fetch_add(1, Relaxed),
            all: Mutex::default(),
            scopes: ScopeBits::new(),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Counts one decision: who was let in, or why not. A layer does that by itself.
    ///
    /// It exercises no scope: see [`exercise`](Self::exercise). For keys that do not come by HTTP:
    ///
    /// ```
    /// use tower_api_key::usage::UsageMonitor;
    /// use tower_api_key::{Denial, Identity, Verifier};
    ///
    /// async fn verify(keys: &Verifier, usage: &UsageMonitor, key: &str) -> Result<Identity, Denial> {
    ///     let result = keys.verify(key).await;
    ///     usage.count(result.as_ref());
    ///     result
    /// }
    /// ```
    #[inline]
    pub fn count(&self, outcome: Result<&Identity, &Denial>) {
        match outcome {
            Ok(identity) => {
                let version = identity.secret_version();
                self.count_allowed(&identity.key_id(), version, &ScopeSet::new());
            }
            Err(denial) => self.count_refusal(denial),
        }
    }

    /// Notes that a request with this identity, which is counted as let in, needed these scopes. A
    /// layer does that for those that its policy asks for.
    ///
    /// Where you ask for a scope yourself:
    ///
    /// ```
    /// use tower_api_key::usage::UsageMonitor;
    /// use tower_api_key::{Identity, Scope};
    ///
    /// const REPORTS: Scope = Scope::from_static("reports");
    ///
    /// fn may_report(identity: &Identity, usage: &UsageMonitor) -> bool {
    ///     let may = identity.has_scope(&REPORTS);
    ///     if may {
    ///         usage.exercise(identity, &REPORTS.into());
    ///     }
    ///     may
    /// }
    /// ```
    #[inline]
    pub fn exercise(&self, identity: &Identity, scopes: &ScopeSet) {
        let used = Used::of(identity);
        let bits = self.bits(used, scopes);
        self.with_shard(|shard| shard.count(used, Outcome::Exercised(bits)));
    }

    /// Counts that a request was let in, which needed these scopes.
    #[inline]
    pub(crate) fn count_allowed(&self, key: &KeyId, version: u32, needed: &ScopeSet) {
        let used = Used::new(key, version);
        let bits = self.bits(used, needed);
        self.with_shard(|shard| shard.count(used, Outcome::Allowed(bits)));
    }

    /// The bits of these scopes; none where they had to be noted without.
    #[inline]
    fn bits(&self, used: Used, scopes: &ScopeSet) -> u64 {
        let bits = self.0.scopes.of(scopes);
        bits.unwrap_or_else(|| self.exercise_without_bits(used, scopes))
    }

    #[cold]
    #[inline(never)]
    fn exercise_without_bits(&self, used: Used, scopes: &ScopeSet) -> u64 {
        self.with_shard(|shard| shard.exercise_without_bits(used, scopes));
        0
    }

    /// Counts a request that needed no key.
    pub(crate) fn count_opening(&self) {
        self.with_shard(Shard::count_opening);
    }

    fn count_refusal(&self, denial: &Denial) {
        let kind = denial.kind();
        let is_for_scope = matches!(
            kind,
            DenialKind::InsufficientScope | DenialKind::NotPermitted
        );
        match denial.key_id().zip(denial.secret_version()) {
            Some((key, version)) if is_for_scope => {
                let used = Used::new(&key, version);
                self.with_shard(|shard| shard.count(used, Outcome::Refused));
            }
            _ => self.with_shard(|shard| shard.count_refusal(kind)),
        }
    }

    /// Takes away what was counted of keys since the last time, as uses at that time.
    ///
    /// One key may have several uses in the result; [`UsageBatch`](crate::store::UsageBatch) makes
    /// them one. A use counts for the hour of `at`: without a `UsageFlusher`, drain about once a
    /// minute, and shortly before each full hour.
    pub fn drain(&self, at: Timestamp) -> Vec<KeyUse> {
        let mut uses = Vec::new();
        for shard in self.all().iter() {
            shard.drain(|used, counts| {
                let one = KeyUse::new(used.key(), used.version(), at)
                    .with_allowed(counts.allowed)
                    .with_refused(counts.refused)
                    .with_exercised(self.0.scopes.names(counts.exercised));
                uses.push(one);
            });
            uses.extend(shard.drain_scopes().into_iter().map(|(used, scopes)| {
                KeyUse::new(used.key(), used.version(), at).with_exercised(scopes)
            }));
        }
        uses
    }

    /// What was counted without a key, and how much was dropped, since the monitor was made.
    pub fn stats(&self) -> UsageStats {
        let shards = self.all();
        let sum = |part: &dyn Fn(&Shard) -> u64| shards.iter().map(|shard| part(shard)).sum();
        UsageStats {
            refusals: array::from_fn(|kind| sum(&|shard| shard.refusals()[kind].load(Relaxed))),
            openings: sum(&Shard::openings),
            dropped: sum(&Shard::dropped) + self.0.dropped.load(Relaxed),
        }
    }

    /// Notes that counts were dropped after they had been collected.
    #[cfg(feature = "tokio")]
    pub(super) fn note_dropped(&self, requests: u64) {
        self.0.dropped.fetch_add(requests, Relaxed);
    }

    #[inline]
    fn with_shard(&self, work: impl Fn(&Shard) + Copy) {
        with_shard(self.0.number, || self.adopt(), work);
    }

    /// A shard that no thread has: that of one which has ended, or a new one.
    fn adopt(&self) -> Arc<Shard> {
        let mut all = self.all();
        // Nobody else holds it, and what its thread has counted is seen here.
        let mut shards = all.iter_mut();
        let free = |shard: &mut Arc<Shard>| Arc::get_mut(shard).is_some().then(|| shard.clone());
        if let Some(shard) = shards.find_map(free) {
            return shard;
        }
        let shard = Arc::new(Shard::new());
        all.push(shard.clone());
        shard
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Shard>>> {
        // OK after a panic: the list is whole between any two steps.
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for UsageMonitor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for UsageMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageMonitor")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_takes_over_the_shard_of_one_that_has_ended() {
        let monitor = UsageMonitor::new();
        let denial = Denial::new(DenialKind::Missing);
        for _ in 0..20 {
            thread::scope(|scope| scope.spawn(|| monitor.count(Err(&denial))).join()).unwrap();
        }
        assert_eq!(monitor.all().len(), 1);
        monitor.count(Err(&denial));
        thread::scope(|scope| scope.spawn(|| monitor.count(Err(&denial))).join()).unwrap();
        assert_eq!(monitor.all().len(), 2);
        assert_eq!(monitor.stats().refused(DenialKind::Missing), 22);
    }

    #[test]
    fn the_shard_of_a_monitor_that_is_gone_goes_at_the_next_chance() {
        let denial = Denial::new(DenialKind::Missing);
        let first = UsageMonitor::new();
        first.count(Err(&denial));
        let shard = Arc::downgrade(&first.all()[0]);
        drop(first);
        UsageMonitor::new().count(Err(&denial));
        assert!(shard.upgrade().is_none());
    }
}
