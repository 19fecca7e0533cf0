//! A store that fails on demand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use support::START;
use support::changes::{batch, context};
use tokio::time::Instant;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::KeyChange;
use tower_api_key::store::{Insert, KeyUse, PageRequest, StoreErrorKind, TimeoutStore, UsageStore};
use tower_api_key::testing::{Fault, FaultyStore, apply, contract};
use tower_api_key::{IssuedKey, KeyManager, KeyRegistry, KeyStore, MemoryStore, NewKey, Verifier};

type Faulty = FaultyStore<MemoryStore>;

const ERROR: Fault = Fault::Error(StoreErrorKind::Unavailable);
const DELAY: Fault = Fault::Delay(Duration::from_millis(20));
const DEADLINE: Duration = Duration::from_millis(500);

/// Three keys of three owners.
fn issued(store: &Faulty) -> Vec<IssuedKey> {
    store.set_failing(false);
    let keys = KeyManager::new(store.clone());
    let owners = ["acct_1", "acct_2", "acct_3"];
    let issue = |owner: &str| block_on(keys.issue(NewKey::new(owner, "CI"))).unwrap();
    let issued = owners.map(issue).into();
    store.set_failing(true);
    issued
}

fn kind_of(verifier: &Verifier, key: &str) -> Result<String, DenialKind> {
    let answer = block_on(verifier.verify(key));
    answer
        .map(|identity| identity.owner().to_owned())
        .map_err(|denial| denial.kind())
}

#[track_caller]
fn panic_of(call: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn without_faults_it_is_the_store_behind_it() {
    block_on(contract::check(async || {
        FaultyStore::new(MemoryStore::new(), 1)
    }));
    let fresh = async || {
        let store = FaultyStore::new(MemoryStore::new(), 1);
        (store.clone(), store)
    };
    block_on(contract::check_feed(fresh, async || {}));
}

/// The calls of the contract's races are under way at once then.
#[tokio::test(start_paused = true)]
async fn with_delays_a_store_keeps_the_contract() {
    for seed in 0..4 {
        let fresh = async || {
            FaultyStore::new(MemoryStore::new(), seed)
                .with_lookup_fault(Fault::Delay(Duration::from_millis(3)), 30)
                .with_change_fault(Fault::Delay(Duration::from_millis(1)), 30)
                .with_change_fault(Fault::Delay(Duration::from_millis(2)), 30)
        };
        contract::check(fresh).await;
    }
}

#[test]
fn a_seed_determines_the_sequence() {
    let sequence = |seed, waited: bool| -> Vec<Result<String, DenialKind>> {
        let store = FaultyStore::new(MemoryStore::new(), seed)
            .with_lookup_fault(ERROR, 20)
            .with_lookup_fault(Fault::WrongDigest, 20)
            .with_lookup_fault(Fault::Panic, 20);
        let keys = issued(&store);
        let verifier = if waited {
            Verifier::new(Waiting(store))
        } else {
            Verifier::new(store)
        };
        let verify = |_| kind_of(&verifier, keys[0].key.expose_secret());
        (0..200).map(verify).collect()
    };
    let first = sequence(7, false);
    assert_eq!(sequence(7, false), first);
    assert_eq!(sequence(7, true), first, "whichever way it is asked");
    assert_ne!(sequence(8, false), first);
    let count =
        |wanted: &Result<String, DenialKind>| first.iter().filter(|found| *found == wanted).count();
    let counts = [
        count(&Ok("acct_1".to_owned())),
        count(&Err(DenialKind::StoreFailed)),
        count(&Err(DenialKind::Unknown)),
        count(&Err(DenialKind::Panicked)),
    ];
    assert_eq!(counts.iter().sum::<usize>(), 200);
    assert!(
        counts[0] > 40 && counts[1..].iter().all(|count| *count > 15),
        "{counts:?}"
    );
}

#[test]
fn each_fault_of_a_look_up_does_what_it_says() {
    let with = |fault| {
        let store = FaultyStore::new(MemoryStore::new(), 1).with_lookup_fault(fault, 100);
        let keys = issued(&store);
        let key = &keys[0];
        let digest = *key.record.secret_versions()[0].digest();
        (store, key.record.clone(), digest)
    };
    let (store, record, digest) = with(ERROR);
    let text = "the faulty store fails as Unavailable, as it was told to";
    for error in [
        block_on(store.find(&digest)).unwrap_err(),
        store.try_find(&digest).unwrap().unwrap_err(),
        block_on(store.get(&record.id())).unwrap_err(),
        block_on(store.list("acct_1", &PageRequest::default())).unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), &*error.to_string()),
            (StoreErrorKind::Unavailable, text)
        );
    }
    assert_eq!(store.injected(), [(ERROR, 4)]);
    store.set_failing(false);
    assert_eq!(block_on(store.find(&digest)).unwrap(), Some(record.clone()));
    assert_eq!(store.try_find(&digest).unwrap().unwrap(), Some(record));
    assert_eq!(store.injected(), [(ERROR, 4)]);
    assert_eq!(store.inner().len(), 3);

    let (store, _, digest) = with(Fault::Panic);
    let text = "the faulty store panics, as it was told to";
    assert_eq!(panic_of(|| drop(store.try_find(&digest))), text);
    assert_eq!(panic_of(|| drop(block_on(store.find(&digest)))), text);
    assert_eq!(store.injected(), [(Fault::Panic, 2)]);

    let (store, record, digest) = with(Fault::WrongDigest);
    let wrong = store.try_find(&digest).unwrap().unwrap().unwrap();
    assert_eq!(
        (wrong.id(), wrong.secret_version(&digest)),
        (record.id(), None)
    );
    assert_eq!(block_on(store.find(&digest)).unwrap().unwrap(), wrong);
    assert_eq!(
        store
            .try_find(&KeyDigest::from_bytes([1; 32]))
            .unwrap()
            .unwrap(),
        None
    );

    // Another key is one that was found before, or one that nobody inserted.
    let (store, record, digest) = with(Fault::WrongKey);
    let wrong = block_on(store.find(&digest)).unwrap().unwrap();
    assert_eq!(
        (wrong.owner(), wrong.secret_version(&digest)),
        ("nobody", None)
    );
    store.set_failing(false);
    block_on(store.find(&digest)).unwrap();
    store.set_failing(true);
    let other = KeyDigest::from_bytes([1; 32]);
    assert_eq!(block_on(store.find(&other)).unwrap().unwrap(), record);
    assert_eq!(store.try_find(&other).unwrap().unwrap().unwrap(), record);
    assert_eq!(store.try_find(&digest).unwrap().unwrap().unwrap(), wrong);
    // Only look-ups by digest find the wrong row.
    assert_eq!(block_on(store.get(&record.id())).unwrap().unwrap(), record);
}

#[tokio::test(start_paused = true)]
async fn what_must_be_waited_for_is_not_answered_at_once() {
    let digest = KeyDigest::from_bytes([1; 32]);
    let store = FaultyStore::new(MemoryStore::new(), 1).with_lookup_fault(DELAY, 100);
    let began = Instant::now();
    assert!(store.try_find(&digest).is_none());
    assert!(store.injected().is_empty(), "the fault is the next call's");
    assert_eq!(store.find(&digest).await.unwrap(), None);
    assert_eq!(began.elapsed(), Duration::from_millis(20));
    assert_eq!(store.injected(), [(DELAY, 1)]);

    let store = FaultyStore::new(MemoryStore::new(), 1).with_lookup_fault(Fault::Hang, 100);
    assert!(store.try_find(&digest).is_none());
    let bounded = TimeoutStore::new(store.clone(), DEADLINE);
    let error = bounded.find(&digest).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    assert_eq!(store.injected(), [(Fault::Hang, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_change_is_made_only_when_its_answer_is_lost() {
    for (fault, made) in [
        (ERROR, false),
        (Fault::Hang, false),
        (Fault::Panic, false),
        (DELAY, true),
        (Fault::LostAnswer, true),
    ] {
        let inner = MemoryStore::new();
        let record = |owner: &'static str| async move {
            let keys = KeyManager::new(MemoryStore::new());
            let issued = keys.issue(NewKey::new(owner, "CI")).await.unwrap();
            issued.record.as_ref().clone()
        };
        let store = FaultyStore::new(inner.clone(), 1).with_change_fault(fault, 100);
        let bounded = TimeoutStore::new(store.clone(), DEADLINE);
        let (one, many) = (record("one").await, record("many").await);
        let id = one.id();
        let answer = AssertUnwindSafe(bounded.insert(Insert::new(one.clone(), &context())))
            .catch_unwind()
            .await;
        assert_eq!(answer.is_err(), fault == Fault::Panic, "{fault:?}");
        let succeeded = matches!(answer, Ok(Ok(_)));
        assert_eq!(succeeded, fault == DELAY, "{fault:?}");
        let answers = AssertUnwindSafe(bounded.insert_many(vec![Insert::new(many, &context())]))
            .catch_unwind()
            .await;
        if let Ok(answers) = answers {
            assert_eq!((answers.len(), answers[0].is_ok()), (1, fault == DELAY));
        }
        assert_eq!(inner.len(), if made { 2 } else { 0 }, "{fault:?}");

        store.set_failing(false);
        if !made {
            store.insert(Insert::new(one, &context())).await.unwrap();
        }
        store.set_failing(true);
        let used = [KeyUse::new(id, 1, START.parse().unwrap())];
        let _ = AssertUnwindSafe(bounded.record_usage(&batch(used)))
            .catch_unwind()
            .await;
        let disable = KeyChange::Disable;
        let _ = AssertUnwindSafe(apply(&bounded, &id, &disable, &context()))
            .catch_unwind()
            .await;
        let record = inner.get(&id).await.unwrap().unwrap();
        let changed = (record.is_disabled(), record.last_used_at().is_some());
        assert_eq!(changed, (made, made), "{fault:?}");
        assert_eq!(store.injected(), [(fault, 4)]);
    }
}

#[test]
fn nonsense_is_refused() {
    let store = || FaultyStore::new(MemoryStore::new(), 1);
    let full = || {
        store()
            .with_lookup_fault(ERROR, 60)
            .with_lookup_fault(Fault::Hang, 40)
    };
    drop(full().with_change_fault(ERROR, 100));
    assert_eq!(
        panic_of(|| drop(full().with_lookup_fault(Fault::Panic, 1))),
        "expected faults in at most 100 per cent of the calls, found 101"
    );
    assert_eq!(
        panic_of(|| drop(store().with_change_fault(ERROR, 101))),
        "expected faults in at most 100 per cent of the calls, found 101"
    );
    assert_eq!(
        panic_of(|| drop(store().with_lookup_fault(Fault::LostAnswer, 1))),
        "expected a fault of lookups, found LostAnswer"
    );
    for wrong in [Fault::WrongKey, Fault::WrongDigest] {
        assert_eq!(
            panic_of(|| drop(store().with_change_fault(wrong, 1))),
            format!("expected a fault of changes, found {wrong:?}")
        );
    }
}

/// Never answers at once.
struct Waiting<S>(S);

#[async_trait::async_trait]
impl<S: KeyStore> KeyStore for Waiting<S> {
    async fn find(&self, digest: &KeyDigest) -> support::stores::Found {
        self.0.find(digest).await
    }
}
