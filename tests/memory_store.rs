//! The memory store: the contract of a registry, and reads during writes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use support::changes::{batch, context};
use support::{START, keys};
use tower_api_key::key::{ApiKey, KeyDigest, KeyFormat, KeyHasher};
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, KeyUpdate, Revocation, SecretVersion};
use tower_api_key::store::{
    Insert, Inserted, KeyUse, PageRequest, StoreError, StoreErrorKind, UsageStore,
};
use tower_api_key::{
    KeyManager, KeyRegistry, KeyStore, MemoryStore, NewKey, Scope, ScopeSet, testing,
};

fn at(second: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn digest(number: u8) -> KeyDigest {
    KeyDigest::from_bytes([number; 32])
}

fn version(number: u32, digest: KeyDigest) -> SecretVersion {
    SecretVersion::new(number, digest, "0123abcd".parse().unwrap(), at(0))
}

/// A key whose id and digest are that octet, repeated.
fn record(number: u8) -> KeyRecord {
    KeyRecord::new(KeyId::from_bytes([number; 16]), "acct_42", "CI", at(0))
        .with_scopes(Scope::READ)
        .with_secret_versions([version(1, digest(number))])
}

fn rotation(digest: KeyDigest) -> KeyChange {
    KeyChange::Rotate {
        digest,
        prefix: "89abcdef".parse().unwrap(),
        at: at(0),
        others_retire_at: at(3_600),
    }
}

fn apply(
    store: &MemoryStore,
    number: u8,
    change: &KeyChange,
) -> Result<Arc<KeyRecord>, StoreError> {
    let id = KeyId::from_bytes([number; 16]);
    block_on(testing::apply(store, &id, change, &context()))
}

fn insert(store: &MemoryStore, record: KeyRecord) -> Result<Inserted, StoreError> {
    block_on(store.insert(Insert::new(record, &context())))
}

fn find(store: &MemoryStore, digest: KeyDigest) -> Option<Arc<KeyRecord>> {
    let now = store.try_find(&digest).unwrap().unwrap();
    assert_eq!(block_on(store.find(&digest)).unwrap(), now);
    now
}

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
    message: &str,
) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), &*error.to_string()), (kind, message));
    // Neither digest (0x01… and 0x02…) nor id is told.
    let shown = format!("{error:?}");
    for secret in ["0101", "0202", "1, 1", "2, 2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

const ID_EXISTS: &str = "a key with this id already exists";
const DIGEST_EXISTS: &str = "a key with this digest already exists";

#[test]
fn ids_and_digests_are_unique() {
    let store = MemoryStore::new();
    assert_eq!(insert(&store, record(1)).unwrap(), Inserted::Created);
    let other_id = || KeyRecord::new(KeyId::from_bytes([2; 16]), "acct_7", "CI", at(0));
    let exists = StoreErrorKind::AlreadyExists;

    assert_fails(insert(&store, record(1)), exists, ID_EXISTS);
    let same_digest = other_id().with_secret_versions([version(1, digest(1))]);
    assert_fails(insert(&store, same_digest), exists, DIGEST_EXISTS);
    let second_too =
        other_id().with_secret_versions([version(1, digest(3)), version(2, digest(1))]);
    assert_fails(insert(&store, second_too), exists, DIGEST_EXISTS);
    let twice = other_id().with_secret_versions([version(1, digest(2)), version(2, digest(2))]);
    assert_fails(insert(&store, twice), exists, DIGEST_EXISTS);

    // Nothing of them was added.
    assert_eq!(store.len(), 1);
    for absent in [2, 3] {
        assert_eq!(find(&store, digest(absent)), None);
    }
    assert_eq!(
        block_on(store.get(&KeyId::from_bytes([2; 16]))).unwrap(),
        None
    );
    let page = block_on(store.list("acct_7", &PageRequest::default())).unwrap();
    assert!(page.keys().is_empty());
}

#[test]
fn records_from_elsewhere_are_held_to_the_same_rule() {
    let exists = StoreErrorKind::AlreadyExists;
    let store = MemoryStore::from_records([record(1), record(2)]).unwrap();
    assert_eq!(store.len(), 2);
    assert_eq!(*find(&store, digest(2)).unwrap(), record(2));
    assert_fails(
        MemoryStore::from_records([record(1), record(1)]),
        exists,
        ID_EXISTS,
    );
    let same = KeyRecord::new(KeyId::from_bytes([2; 16]), "acct_42", "CI", at(0))
        .with_secret_versions([version(1, digest(1))]);
    assert_fails(
        MemoryStore::from_records([record(1), same]),
        exists,
        DIGEST_EXISTS,
    );
    // Records without a secret are found by id only, and do not stand in each other's way.
    let bare = |number| KeyRecord::new(KeyId::from_bytes([number; 16]), "acct_42", "CI", at(0));
    assert_eq!(
        MemoryStore::from_records([bare(1), bare(2)]).unwrap().len(),
        2
    );
}

#[test]
fn a_change_is_made_whole_or_not_at_all() {
    let store = MemoryStore::from_records([record(1), record(2)]).unwrap();
    let exists = StoreErrorKind::AlreadyExists;
    let known = apply(&store, 1, &rotation(digest(2)));
    assert_fails(known, exists, DIGEST_EXISTS);
    assert_eq!(*find(&store, digest(1)).unwrap(), record(1));
    let missing = apply(&store, 9, &rotation(digest(9)));
    assert_fails(missing, StoreErrorKind::NotFound, "no key has this id");
    assert_eq!(find(&store, digest(9)), None);

    let rotated = apply(&store, 1, &rotation(digest(3))).unwrap();
    for both in [1, 3] {
        assert_eq!(find(&store, digest(both)), Some(rotated.clone()));
    }
    let revoke = KeyChange::Revoke(Revocation::new(at(5), "leaked"));
    let revoked = apply(&store, 1, &revoke).unwrap();
    for both in [1, 3] {
        assert_eq!(find(&store, digest(both)), Some(revoked.clone()));
    }
    // The digests of a deleted key are free.
    assert_eq!(apply(&store, 1, &KeyChange::Delete).unwrap(), revoked);
    for both in [1, 3] {
        assert_eq!(find(&store, digest(both)), None);
    }
    insert(&store, record(1)).unwrap();
    assert_eq!(*find(&store, digest(1)).unwrap(), record(1));
}

#[test]
fn a_late_note_of_use_undoes_nothing() {
    let store = MemoryStore::from_records([record(1), record(2)]).unwrap();
    let note = |number: u8, version, second| {
        let used = KeyUse::new(KeyId::from_bytes([number; 16]), version, at(second));
        block_on(store.record_usage(&batch([used]))).unwrap();
    };
    let last = |number| find(&store, digest(number)).unwrap().last_used_at();
    assert_eq!(last(1), None);
    note(1, 1, 10);
    note(1, 1, 4);
    assert_eq!(last(1), Some(at(10)));
    note(1, 2, 99);
    assert_eq!(last(1), Some(at(10)), "there is no version 2");

    apply(&store, 1, &rotation(digest(3))).unwrap();
    note(1, 2, 7);
    let record = find(&store, digest(3)).unwrap();
    let used: Vec<_> = record
        .secret_versions()
        .iter()
        .map(SecretVersion::last_used_at)
        .collect();
    assert_eq!(used, [Some(at(7)), Some(at(10))]);
    assert_eq!(record.last_used_at(), Some(at(10)));

    apply(&store, 1, &KeyChange::Disable).unwrap();
    apply(
        &store,
        1,
        &KeyChange::Revoke(Revocation::new(at(11), "leaked")),
    )
    .unwrap();
    note(1, 1, 20);
    let record = find(&store, digest(1)).unwrap();
    assert_eq!(record.revocation().unwrap().reason(), "leaked");
    assert!(record.is_disabled());
    assert_eq!(record.last_used_at(), Some(at(20)));

    apply(&store, 1, &KeyChange::Delete).unwrap();
    let both = [(1, 30), (2, 31)]
        .map(|(number, second)| KeyUse::new(KeyId::from_bytes([number; 16]), 1, at(second)));
    block_on(store.record_usage(&batch(both))).unwrap();
    assert_eq!(find(&store, digest(1)), None);
    assert_eq!(
        block_on(store.get(&KeyId::from_bytes([1; 16]))).unwrap(),
        None
    );
    assert_eq!(last(2), Some(at(31)), "one batch holds both");
    assert_eq!(store.len(), 1);
}

#[test]
fn clones_share_one_store_and_debug_tells_the_count_only() {
    let store = MemoryStore::new();
    assert!(store.is_empty());
    block_on(store.clone().insert(Insert::new(record(1), &context()))).unwrap();
    assert_eq!(format!("{store:?}"), "MemoryStore { keys: 1 }");
}

/// Readers on four threads, a writer, and a writer of uses, all at once.
#[test]
fn a_read_is_never_older_than_a_write_that_has_returned() {
    const CHANGES: u64 = 20_000;
    let store = MemoryStore::from_records([record(1), record(2)]).unwrap();
    let (written, noted, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let barrier = Barrier::new(6);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                let mut last_name = 0;
                while !done.load(Ordering::SeqCst) {
                    let (write, note) =
                        (written.load(Ordering::SeqCst), noted.load(Ordering::SeqCst));
                    let record = store.try_find(&digest(1)).unwrap().unwrap().unwrap();
                    let name: u64 = record.name().parse().unwrap_or(0);
                    assert!(
                        name >= write && name >= last_name,
                        "{name} < {write}, {last_name}"
                    );
                    let used = record.last_used_at().map_or(0, Timestamp::as_millisecond);
                    assert!(used >= i64::try_from(note).unwrap());
                    assert_eq!(record.scopes(), &ScopeSet::from(Scope::READ));
                    last_name = name;
                    assert_eq!(store.try_find(&digest(3)).unwrap().unwrap(), None);
                    let other = store.try_find(&digest(2)).unwrap().unwrap().unwrap();
                    assert_eq!(other.id(), KeyId::from_bytes([2; 16]));
                }
            });
        }
        scope.spawn(|| {
            barrier.wait();
            for number in 1..=CHANGES {
                let update = KeyUpdate::new().with_name(number.to_string());
                apply(&store, 1, &KeyChange::Update(update)).unwrap();
                written.store(number, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            barrier.wait();
            let mut millisecond = 0;
            while !done.load(Ordering::SeqCst) {
                millisecond += 1;
                let time = Timestamp::from_millisecond(millisecond).unwrap();
                let uses = [1, 2].map(|one| KeyUse::new(KeyId::from_bytes([one; 16]), 1, time));
                block_on(store.record_usage(&batch(uses))).unwrap();
                noted.store(millisecond.unsigned_abs(), Ordering::SeqCst);
            }
        });
    });
    // Neither writer has undone the other.
    let record = find(&store, digest(1)).unwrap();
    assert_eq!(record.name(), CHANGES.to_string());
    assert_eq!(
        record
            .last_used_at()
            .unwrap()
            .as_millisecond()
            .unsigned_abs(),
        noted.into_inner()
    );
}

/// A secret works from when its rotation has returned until seven more have pushed it out.
#[test]
fn there_is_no_instant_at_which_no_secret_works() {
    let keys = keys();
    let issued = block_on(keys.issue(NewKey::new("acct_42", "CI"))).unwrap();
    let id = issued.record.id();
    let current = Mutex::new((1, issued.key.expose_secret().to_owned()));
    let done = AtomicBool::new(false);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let verifier = keys.verifier();
                barrier.wait();
                while !done.load(Ordering::SeqCst) {
                    let (number, key) = current.lock().unwrap().clone();
                    match block_on(verifier.verify(&key)) {
                        Ok(identity) => assert_eq!(identity.secret_version(), number),
                        Err(denial) => {
                            let newest = current.lock().unwrap().0;
                            assert!(newest - number >= 7, "{number} of {newest}: {denial}");
                        }
                    }
                }
            });
        }
        barrier.wait();
        for number in 2..=2_001 {
            let key = ApiKey::generate(&KeyFormat::default()).unwrap();
            // All others have retired by the time of the rotation, so that there is always room.
            let now = Timestamp::now();
            let change = KeyChange::Rotate {
                digest: KeyHasher::sha256().digest(&key),
                prefix: key.prefix(),
                at: now + SignedDuration::from_hours(2),
                others_retire_at: now + SignedDuration::from_hours(1),
            };
            block_on(testing::apply(keys.store(), &id, &change, &context())).unwrap();
            *current.lock().unwrap() = (number, key.expose_secret().to_owned());
        }
        done.store(true, Ordering::SeqCst);
    });
    let record = block_on(keys.get(&id)).unwrap().unwrap();
    assert_eq!(record.secret_versions()[0].number(), 2_001);
    assert_eq!(
        record.secret_versions().len(),
        KeyChange::MAX_SECRET_VERSIONS
    );
}

#[test]
fn a_revocation_holds_against_every_other_writer() {
    for _ in 0..200 {
        let store = MemoryStore::from_records([record(1)]).unwrap();
        let keys = KeyManager::new(store.clone());
        let id = KeyId::from_bytes([1; 16]);
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                block_on(keys.revoke(&id, "leaked")).unwrap();
            });
            scope.spawn(|| {
                barrier.wait();
                let _ = block_on(keys.enable(&id));
            });
            scope.spawn(|| {
                barrier.wait();
                let _ = block_on(keys.update(&id, KeyUpdate::new().with_name("x")));
            });
            barrier.wait();
            let used = KeyUse::new(id, 1, at(2));
            block_on(store.record_usage(&batch([used]))).unwrap();
        });
        let record = find(&store, digest(1)).unwrap();
        assert_eq!(record.revocation().unwrap().reason(), "leaked");
        assert_eq!(record.last_used_at(), Some(at(2)));
    }
}
