//! Counting, without any store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures::executor::block_on;
use jiff::Timestamp;
use tower_api_key::denial::{Denial, DenialKind};
use tower_api_key::store::KeyUse;
use tower_api_key::usage::UsageMonitor;
use tower_api_key::{Identity, IssuedKey};

use crate::kit::{count, in_uses, verified};
use crate::support::keys;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn a_use_has_key_version_counts_and_the_time_of_the_collection() {
    let keys = keys();
    let (issued, identity) = block_on(verified(&keys));
    let monitor = UsageMonitor::new();
    count(&monitor.clone(), &identity, 3);
    let id = issued.record.id();
    assert_eq!(monitor.drain(AT), [KeyUse::new(id, 1, AT).with_allowed(3)]);
    assert_eq!(monitor.drain(AT), []);

    let grace = std::time::Duration::from_secs(60);
    let rotated = block_on(keys.rotate(&id, grace)).unwrap();
    let newer = block_on(keys.verifier().verify(rotated.key.expose_secret())).unwrap();
    count(&monitor, &newer, 1);
    count(&monitor, &identity, 2);
    let mut uses = monitor.drain(AT);
    uses.sort_by_key(KeyUse::secret_version);
    let [first, second] = [1, 2].map(|version| KeyUse::new(id, version, AT));
    assert_eq!(uses, [first.with_allowed(2), second.with_allowed(1)]);
}

#[test]
fn refusals_without_a_key_are_told_by_kind_and_in_no_use() {
    let monitor = UsageMonitor::new();
    let kinds = [
        DenialKind::Missing,
        DenialKind::Ambiguous,
        DenialKind::Conflicting,
        DenialKind::Malformed,
        DenialKind::Unknown,
        DenialKind::Revoked,
        DenialKind::Disabled,
        DenialKind::Expired,
        DenialKind::Superseded,
        DenialKind::InsufficientScope,
        DenialKind::NotPermitted,
        DenialKind::StoreFailed,
        DenialKind::Panicked,
        DenialKind::ClockUnset,
    ];
    for (times, kind) in (1..).zip(kinds) {
        for _ in 0..times {
            // On another thread each, so that the sums are of all.
            let monitor = monitor.clone();
            let counting = thread::spawn(move || monitor.count(Err(&Denial::new(kind))));
            counting.join().unwrap();
        }
    }
    let stats = monitor.stats();
    for (times, kind) in (1..).zip(kinds) {
        assert_eq!(stats.refused(kind), times, "{kind:?}");
    }
    assert_eq!(stats.all_refused(), 14 * 15 / 2);
    assert_eq!((stats.passed_without_key(), stats.dropped()), (0, 0));
    assert_eq!(monitor.drain(AT), []);
}

/// Eight threads that end, on keys that they share and on keys of their own, while another collects.
#[test]
fn counts_are_exact_under_threads_that_come_and_go() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 200;
    let keys = keys();
    let identities: Vec<_> = (0..500).map(|_| block_on(verified(&keys)).1).collect();
    let monitor = UsageMonitor::new();
    let is_over = AtomicBool::new(false);
    let uses = thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut uses = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                uses.extend(monitor.drain(AT));
            }
            uses
        });
        for _ in 0..3 {
            let workers: Vec<_> = (0..THREADS)
                .map(|number| {
                    let (monitor, identities) = (&monitor, &identities);
                    scope.spawn(move || {
                        for round in 0..ROUNDS {
                            count(monitor, &identities[0], 5);
                            count(monitor, &identities[1 + (number * round) % 499], 1);
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker.join().unwrap();
            }
        }
        is_over.store(true, Ordering::SeqCst);
        collector.join().unwrap()
    });
    let uses = [uses, monitor.drain(AT)].concat();
    let mut sums = BTreeMap::new();
    for one in &uses {
        *sums.entry(one.key()).or_insert(0) += one.allowed();
    }
    let mut expected =
        BTreeMap::from([(identities[0].key_id(), (3 * THREADS * ROUNDS * 5) as u64)]);
    for (number, round) in (0..THREADS).flat_map(|one| (0..ROUNDS).map(move |two| (one, two))) {
        let id = identities[1 + (number * round) % 499].key_id();
        *expected.entry(id).or_insert(0) += 3;
    }
    assert_eq!(sums, expected);
}

/// More keys than a thread has slots for.
#[test]
fn many_keys_in_one_thread_are_counted_exactly() {
    let keys = keys();
    let identities: Vec<_> = (0..6_000).map(|_| block_on(verified(&keys)).1).collect();
    let monitor = UsageMonitor::new();
    for _ in 0..2 {
        for identity in &identities {
            count(&monitor, identity, 1);
        }
    }
    let uses = monitor.drain(AT);
    let mut sums = BTreeMap::new();
    for one in &uses {
        *sums.entry(one.key()).or_insert(0) += one.allowed();
    }
    assert_eq!(sums.len(), identities.len());
    assert!(sums.values().all(|sum| *sum == 2));
}

#[test]
fn monitors_count_for_themselves() {
    let keys = keys();
    let (_, identity) = block_on(verified(&keys));
    let first = UsageMonitor::new();
    count(&first, &identity, 1);
    for _ in 0..100 {
        let other = UsageMonitor::new();
        count(&other, &identity, 2);
        assert_eq!(in_uses(&other.drain(AT)), (2, 0));
    }
    assert_eq!(in_uses(&first.drain(AT)), (1, 0));
}

/// Counts when its thread ends.
struct Last(UsageMonitor, Identity);

impl Drop for Last {
    fn drop(&mut self) {
        count(&self.0, &self.1, 1);
    }
}

thread_local! {
    static EARLY: RefCell<Option<Last>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Whichever comes first: the end of the thread's shard, or the count.
#[test]
fn what_a_thread_counts_in_its_last_moments_is_not_lost() {
    let keys = keys();
    let (_, identity): (IssuedKey, _) = block_on(verified(&keys));
    let monitor = UsageMonitor::new();
    let (counting, who) = (monitor.clone(), identity.clone());
    let ending = thread::spawn(move || {
        EARLY.set(Some(Last(counting.clone(), who.clone())));
        count(&counting, &who, 1);
        LATE.set(Some(Last(counting, who)));
    });
    ending.join().unwrap();
    assert_eq!(in_uses(&monitor.drain(AT)), (3, 0));
}
