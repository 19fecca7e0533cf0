//! What a verifier and a manager make of a store that fails: nobody is let in by it, and nothing is
//! undone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

mod support;

use std::time::Duration;

use futures::executor::block_on;
use proptest::prelude::*;
use support::changes::batch;
use support::{START, UNKNOWN};
use tower_api_key::clock::ManualClock;
use tower_api_key::denial::{Denial, DenialKind};
use tower_api_key::identity::Identity;
use tower_api_key::manage::ManageErrorKind;
use tower_api_key::record::{KeyStatus, KeyUpdate};
use tower_api_key::store::{KeyUse, PageRequest, StoreErrorKind, TimeoutStore, UsageStore};
use tower_api_key::testing::{Fault, FaultyStore};
use tower_api_key::{KeyManager, MemoryStore, NewKey};

const ERROR: Fault = Fault::Error(StoreErrorKind::Unavailable);
const DELAY: Fault = Fault::Delay(Duration::from_millis(20));
const DEADLINE: Duration = Duration::from_millis(500);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the faults: a key lets in its own owner or nobody. A failure is told as one, and
    /// only a wrong row makes a good key an unknown one.
    #[test]
    fn no_fault_lets_anyone_in(seed: u64, odds in prop::array::uniform6(0_u8..=16)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(no_fault_lets_in(seed, odds));
    }

    /// Whatever answers are lost: a revocation that was told to have been made stays, and no call
    /// of a manager undoes it.
    #[test]
    fn no_fault_undoes_a_revocation(seed: u64, steps in prop::collection::vec(0_u8..6, 1..40)) {
        block_on(no_fault_undoes(seed, &steps));
    }
}

async fn no_fault_lets_in(seed: u64, odds: [u8; 6]) {
    let faults = [
        ERROR,
        Fault::Panic,
        Fault::Hang,
        DELAY,
        Fault::WrongKey,
        Fault::WrongDigest,
    ];
    let store = FaultyStore::new(MemoryStore::new(), seed);
    let store = faults.iter().zip(odds).fold(store, |store, (fault, odds)| {
        store.with_lookup_fault(*fault, odds)
    });
    let clock = ManualClock::at(START.parse().unwrap());
    let bounded = TimeoutStore::new(store.clone(), DEADLINE);
    let keys = KeyManager::new(bounded).with_clock(clock.clone());
    let hour = Duration::from_secs(3_600);
    store.set_failing(false);
    let mut known = Vec::new();
    for owner in ["good", "other", "revoked", "expired"] {
        let new = NewKey::new(owner, "CI");
        let new = if owner == "expired" {
            new.expires_in(hour)
        } else {
            new
        };
        known.push(keys.issue(new).await.unwrap());
    }
    keys.revoke(&known[2].record.id(), "leaked").await.unwrap();
    clock.advance(hour);
    store.set_failing(true);

    let texts = known.iter().map(|issued| issued.key.expose_secret());
    let texts: Vec<_> = texts.chain([UNKNOWN]).collect();
    let rights = [
        Ok("good"),
        Ok("other"),
        Err(DenialKind::Revoked),
        Err(DenialKind::Expired),
        Err(DenialKind::Unknown),
    ];
    let wrong_rows = || -> usize {
        let injected = store.injected().into_iter();
        let wrong =
            injected.filter(|(fault, _)| matches!(fault, Fault::WrongKey | Fault::WrongDigest));
        wrong.map(|(_, count)| count).sum()
    };
    let verifier = keys.verifier();
    for _ in 0..30 {
        for (text, right) in texts.iter().zip(rights) {
            let before = wrong_rows();
            let found = verifier.verify(text).await;
            let found = found.as_ref().map(Identity::owner);
            let found = found.map_err(Denial::kind);
            let failed = [DenialKind::StoreFailed, DenialKind::Panicked];
            let excused = match found {
                Err(kind) if failed.contains(&kind) => true,
                Err(DenialKind::Unknown) => wrong_rows() > before,
                _ => false,
            };
            assert!(
                found == right || excused,
                "expected {right:?}, found {found:?}"
            );
        }
    }
    store.set_failing(false);
    for (text, right) in texts.iter().zip(rights) {
        let found = verifier.verify(text).await;
        let found = found.as_ref().map(Identity::owner);
        assert_eq!(found.map_err(Denial::kind), right);
    }
}

async fn no_fault_undoes(seed: u64, steps: &[u8]) {
    let store = FaultyStore::new(MemoryStore::new(), seed)
        .with_lookup_fault(ERROR, 10)
        .with_change_fault(ERROR, 25)
        .with_change_fault(Fault::LostAnswer, 25);
    let keys = KeyManager::new(store.clone());
    store.set_failing(false);
    let key = keys.issue(NewKey::new("acct_42", "CI")).await.unwrap();
    let id = key.record.id();
    store.set_failing(true);
    let mut revoked = false;
    for step in steps {
        match step {
            0 => revoked |= keys.revoke(&id, "leaked").await.is_ok(),
            1 => drop(keys.enable(&id).await),
            2 => drop(keys.disable(&id).await),
            3 => drop(keys.rotate(&id, Duration::from_secs(60)).await),
            4 => drop(
                store
                    .record_usage(&batch([KeyUse::new(id, 1, START.parse().unwrap())]))
                    .await,
            ),
            _ => drop(keys.update(&id, KeyUpdate::new()).await),
        }
    }
    store.set_failing(false);
    let record = keys.get(&id).await.unwrap().unwrap();
    assert!(record.revocation().is_some() || !revoked);
    if let Some(revocation) = record.revocation() {
        assert_eq!(revocation.reason(), "leaked");
        let denial = keys
            .verifier()
            .verify(key.key.expose_secret())
            .await
            .unwrap_err();
        assert_eq!(denial.kind(), DenialKind::Revoked);
    }
}

/// What an operator finds when the answer to a change was lost, and what helps.
#[tokio::test]
async fn a_lost_answer_leaves_a_trace() {
    let store = FaultyStore::new(MemoryStore::new(), 1).with_change_fault(Fault::LostAnswer, 100);
    let keys = KeyManager::new(store.clone());
    let error = keys.issue(NewKey::new("acct_42", "CI")).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::Store);

    // The key is in its owner's list, though nobody has its plaintext: revoke or rotate it.
    let page = keys.list("acct_42", &PageRequest::default()).await.unwrap();
    let [record] = page.keys() else {
        panic!("expected one key, found {page:?}");
    };
    let id = record.id();
    assert_eq!((record.name(), record.last_used_at()), ("CI", None));
    store.set_failing(false);
    let key = keys.rotate(&id, Duration::ZERO).await.unwrap().key;
    store.set_failing(true);

    // A rotation whose answer was lost has a version that nobody has; another one helps, and the
    // old secret works meanwhile if it was given the time.
    let grace = Duration::from_secs(3_600);
    keys.rotate(&id, grace).await.unwrap_err();
    store.set_failing(false);
    assert!(keys.verifier().verify(key.expose_secret()).await.is_ok());
    let again = keys.rotate(&id, grace).await.unwrap();
    assert_eq!(again.record.secret_versions().len(), 4);
    assert!(
        keys.verifier()
            .verify(again.key.expose_secret())
            .await
            .is_ok()
    );
    store.set_failing(true);

    // A revocation or a deletion can be repeated.
    keys.revoke(&id, "first").await.unwrap_err();
    store.set_failing(false);
    let revoked = keys.revoke(&id, "second").await.unwrap();
    assert_eq!(revoked.revocation().unwrap().reason(), "first");
    assert_eq!(revoked.status(START.parse().unwrap()), KeyStatus::Revoked);
    store.set_failing(true);
    keys.delete(&id).await.unwrap_err();
    store.set_failing(false);
    let error = keys.delete(&id).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::NotFound);
}
