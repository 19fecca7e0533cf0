//! Keys that a thread is asked for again and again, of which it keeps copies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

mod support;

use std::sync::{Arc, Barrier};
use std::thread;

use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use support::START;
use support::changes::context;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, KeyUpdate, Revocation, SecretVersion};
use tower_api_key::store::Insert;
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore, MemoryStore, Scope, ScopeSet};

const ID: KeyId = KeyId::from_bytes([1; 16]);

fn at(second: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn digest(number: u8) -> KeyDigest {
    KeyDigest::from_bytes([number; 32])
}

/// A key whose id and digest are that octet, repeated.
fn record(number: u8) -> KeyRecord {
    let version = SecretVersion::new(1, digest(number), "0123abcd".parse().unwrap(), at(0));
    KeyRecord::new(KeyId::from_bytes([number; 16]), "acct_42", "CI", at(0))
        .with_scopes(Scope::READ)
        .with_secret_versions([version])
}

fn find(store: &MemoryStore, digest: KeyDigest) -> Option<Arc<KeyRecord>> {
    store.try_find(&digest).unwrap().unwrap()
}

#[test]
fn every_thread_that_a_key_is_hot_on_knows_of_each_change() {
    let store = MemoryStore::from_records([record(1), record(2)]).unwrap();
    let changes = [
        KeyChange::Update(KeyUpdate::new().with_name("other")),
        KeyChange::Disable,
        KeyChange::Enable,
        KeyChange::Rotate {
            digest: digest(3),
            prefix: "89abcdef".parse().unwrap(),
            at: at(0),
            others_retire_at: at(3_600),
        },
        KeyChange::Revoke(Revocation::new(at(1), "leaked")),
        KeyChange::Delete,
    ];
    let barrier = Barrier::new(4);
    let look_up_often = || {
        let expected = block_on(store.get(&ID)).unwrap();
        for _ in 0..20 {
            assert_eq!(find(&store, digest(1)), expected);
            assert_eq!(find(&store, digest(2)).unwrap().name(), "CI");
        }
        expected
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..changes.len() {
                    look_up_often();
                    barrier.wait();
                    // The change is made.
                    barrier.wait();
                    look_up_often();
                    barrier.wait();
                }
            });
        }
        for change in &changes {
            let before = look_up_often();
            barrier.wait();
            block_on(apply(&store, &ID, change, &context())).unwrap();
            barrier.wait();
            assert_ne!(look_up_often(), before);
            barrier.wait();
        }
    });
    // A new key with the digest of the one before is another.
    block_on(store.insert(Insert::new(record(1).with_scopes(Scope::WRITE), &context()))).unwrap();
    let scopes = look_up_often().unwrap().scopes().clone();
    assert_eq!(scopes, ScopeSet::from(Scope::WRITE));
}

#[test]
fn a_key_that_is_hot_in_one_store_is_unknown_to_another() {
    let one = MemoryStore::from_records([record(1)]).unwrap();
    let other = MemoryStore::from_records([record(1).with_scopes(Scope::WRITE)]).unwrap();
    let neither = MemoryStore::new();
    for _ in 0..40 {
        let scopes = |store| find(store, digest(1)).map(|record| record.scopes().clone());
        assert_eq!(scopes(&one), Some(Scope::READ.into()));
        assert_eq!(scopes(&other), Some(Scope::WRITE.into()));
        assert_eq!(scopes(&neither), None);
    }
    // Others that begin with the same octets.
    let mut octets = [1; 32];
    octets[31] = 2;
    assert_eq!(find(&one, KeyDigest::from_bytes(octets)), None);
}
