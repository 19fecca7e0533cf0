//! Changes during a look-up: what began before one is not remembered after it.

use tower_api_key::denial::DenialKind;
use tower_api_key::key::{ApiKey, KeyFormat, KeyHasher};
use tower_api_key::record::{KeyChange, KeyRecord, SecretVersion};
use tower_api_key::store::{CacheOptions, CachedStore, FeedEvent, Insert, KeyStore};
use tower_api_key::testing::apply;
use tower_api_key::{KeyManager, KeyRegistry, MemoryStore, NewKey, Verifier};

use crate::kit::{
    Script, begin, cached, digest, find, id, known, lasting, record, revocation, rotation, settle,
    watching, word,
};
use crate::support::changes::context;

/// Every change that must hold, and what the key is afterwards.
fn changes() -> [(KeyChange, &'static str); 4] {
    [
        (KeyChange::Disable, "disabled"),
        (revocation(), "revoked"),
        (rotation(100), "rotated"),
        (KeyChange::Delete, "unknown"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_change_is_never_undone_by_a_look_up_that_began_before() {
    for (change, after) in changes() {
        let store = Script::with([1]);
        let cached = cached(&store);
        let gate = store.hold_after_reading();
        let early = begin(&cached, 1).await;
        // The store has been read; the answer is under way.
        apply(&cached, &id(1), &change, &context()).await.unwrap();
        // Whoever begins now does not join.
        let late = begin(&cached, 1).await;
        assert_eq!((store.asked(), cached.stats().under_way), (2, 2));
        gate.add_permits(1);
        settle().await;
        assert_eq!(early.await.unwrap(), "active", "it began before");
        assert_eq!(known(&cached, 1), "nothing");
        let later = begin(&cached, 1).await;
        assert_eq!(store.asked(), 2, "it joined the second");
        gate.add_permits(1);
        assert_eq!(late.await.unwrap(), after);
        assert_eq!(later.await.unwrap(), after);
        assert_eq!(known(&cached, 1), after);
        assert_eq!(cached.stats().under_way, 0);
    }
}

/// The later look-up is answered first; the earlier one then does not take its place.
#[tokio::test(start_paused = true)]
async fn the_answer_that_was_read_later_stays() {
    for (change, after) in changes() {
        let store = Script::with([1]);
        let cached = cached(&store);
        let gate = store.hold_after_reading();
        let early = begin(&cached, 1).await;
        // Elsewhere, unheard.
        apply(store.keys(), &id(1), &change, &context())
            .await
            .unwrap();
        cached.invalidate(&id(9));
        tokio::time::advance(crate::kit::MOMENT).await;
        store.let_go();
        assert_eq!(find(&cached, 1).await, after);
        gate.add_permits(1);
        assert_eq!(early.await.unwrap(), "active");
        assert_eq!(known(&cached, 1), after);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_another_key_costs_only_the_joining() {
    let store = Script::with([1, 2]);
    let cached = cached(&store);
    let gate = store.hold_after_reading();
    let one = begin(&cached, 1).await;
    let missing = begin(&cached, 3).await;
    apply(&cached, &id(2), &revocation(), &context())
        .await
        .unwrap();
    gate.add_permits(2);
    assert_eq!(
        (one.await.unwrap(), missing.await.unwrap()),
        ("active", "unknown")
    );
    assert_eq!(
        (known(&cached, 1), known(&cached, 3)),
        ("active", "unknown")
    );
    // More changes than are remembered: then nothing is.
    cached.clear();
    let one = begin(&cached, 1).await;
    for _ in 0..2_000 {
        cached.invalidate(&id(2));
    }
    gate.add_permits(1);
    assert_eq!(one.await.unwrap(), "active");
    assert_eq!(known(&cached, 1), "nothing");
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_known_at_once() {
    let store = Script::with([1]);
    let cached = cached(&store);
    for number in [2, 3, 4] {
        assert_eq!(find(&cached, number).await, "unknown");
    }
    assert_eq!(known(&cached, 2), "unknown");
    cached
        .insert(Insert::new(record(2), &context()))
        .await
        .unwrap();
    assert_eq!(known(&cached, 2), "nothing");
    assert_eq!(find(&cached, 2).await, "active");
    assert_eq!(find(&cached, 3).await, "unknown");
    apply(&cached, &id(1), &rotation(3), &context())
        .await
        .unwrap();
    assert_eq!(find(&cached, 3).await, "rotated");
    assert_eq!(find(&cached, 4).await, "unknown");
    for answer in cached
        .insert_many(vec![
            Insert::new(record(4), &context()),
            Insert::new(record(5), &context()),
        ])
        .await
    {
        answer.unwrap();
    }
    assert_eq!(find(&cached, 4).await, "active");

    // That a key is unknown is not remembered by a look-up that began before it was issued.
    let gate = store.hold_after_reading();
    let early = begin(&cached, 6).await;
    cached
        .insert(Insert::new(record(6), &context()))
        .await
        .unwrap();
    gate.add_permits(1);
    assert_eq!(early.await.unwrap(), "unknown");
    assert_eq!(known(&cached, 6), "nothing");
    store.let_go();
    assert_eq!(find(&cached, 6).await, "active");
}

#[tokio::test(start_paused = true)]
async fn all_digests_of_a_key_are_forgotten_and_no_others() {
    let store = Script::with([1, 2]);
    let cached = cached(&store);
    apply(&cached, &id(1), &rotation(10), &context())
        .await
        .unwrap();
    for number in [1, 2, 10] {
        find(&cached, number).await;
    }
    assert_eq!(cached.stats().keys, 3);
    cached.invalidate(&id(1));
    assert_eq!(
        (known(&cached, 1), known(&cached, 10)),
        ("nothing", "nothing")
    );
    assert_eq!((known(&cached, 2), cached.stats().keys), ("active", 1));
    cached.clear();
    assert_eq!(known(&cached, 2), "nothing");
    assert_eq!(
        (find(&cached, 2).await, known(&cached, 2)),
        ("active", "active")
    );
}

#[tokio::test(start_paused = true)]
async fn clearing_ends_what_is_under_way_too() {
    let store = Script::with([1]);
    let cached = cached(&store);
    let gate = store.hold_after_reading();
    let early = begin(&cached, 1).await;
    cached.clear();
    let late = begin(&cached, 1).await;
    assert_eq!(store.asked(), 2);
    gate.add_permits(1);
    assert_eq!(early.await.unwrap(), "active");
    assert_eq!(known(&cached, 1), "nothing");
    gate.add_permits(1);
    assert_eq!(late.await.unwrap(), "active");
    assert_eq!(known(&cached, 1), "active");
}

/// The digest moves to another key, elsewhere; the cache hears of each step.
#[tokio::test(start_paused = true)]
async fn a_digest_that_changes_hands_is_found_under_its_new_key() {
    let store = Script::with([1]);
    let cached = watching(&store);
    store.tell(FeedEvent::InStep);
    assert_eq!(find(&cached, 1).await, "active");
    apply(store.keys(), &id(1), &KeyChange::Delete, &context())
        .await
        .unwrap();
    store.tell(FeedEvent::Changed(id(1)));
    assert_eq!(find(&cached, 1).await, "unknown");
    let version = SecretVersion::clone(&record(1).secret_versions()[0]);
    let second = KeyRecord::new(id(2), "acct_7", "CI", jiff::Timestamp::UNIX_EPOCH);
    store
        .keys()
        .insert(Insert::new(
            second.with_secret_versions([version]),
            &context(),
        ))
        .await
        .unwrap();
    store.tell(FeedEvent::Added(id(2)));
    assert_eq!(find(&cached, 1).await, "active");
    apply(store.keys(), &id(2), &revocation(), &context())
        .await
        .unwrap();
    store.tell(FeedEvent::Changed(id(2)));
    assert_eq!(find(&cached, 1).await, "revoked");
}

#[tokio::test(start_paused = true)]
async fn two_caches_over_one_store_see_each_others_changes_at_once() {
    let store = MemoryStore::new();
    let node = || CachedStore::watching(store.clone(), CacheOptions::new()).unwrap();
    let (here, there) = (KeyManager::new(node()), KeyManager::new(node()));
    let issued = here.issue(NewKey::new("acct_42", "CI")).await.unwrap();
    let (id, key) = (issued.record.id(), issued.key);
    let verifier = there.verifier();
    verifier.verify(key.expose_secret()).await.unwrap();
    here.disable(&id).await.unwrap();
    let denial = verifier.verify(key.expose_secret()).await.unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Disabled);
    here.enable(&id).await.unwrap();
    verifier.verify(key.expose_secret()).await.unwrap();
    let rotated = there.rotate(&id, std::time::Duration::ZERO).await.unwrap();
    let here_too = here.verifier();
    here_too.verify(rotated.key.expose_secret()).await.unwrap();
    let denial = here_too.verify(key.expose_secret()).await.unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Superseded);
    there.revoke(&id, "leaked").await.unwrap();
    let denial = here_too
        .verify(rotated.key.expose_secret())
        .await
        .unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Revoked);
}

/// Readers on three threads never see a key revive, while it is disabled and enabled elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_read_is_never_older_than_a_change_that_has_returned() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use tower_api_key::record::KeyUpdate;

    let store = MemoryStore::from_records([record(1)]).unwrap();
    let slow = crate::support::stores::Yielding(store.clone());
    let cached = CachedStore::watching(Told(slow, store.clone()), lasting()).unwrap();
    let (written, done) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (cached, written, done) = (cached.clone(), written.clone(), done.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let least = written.load(Ordering::SeqCst);
                    let record = cached.find(&digest(1)).await.unwrap().unwrap();
                    let name: u64 = record.name().parse().unwrap_or(0);
                    assert!(name >= least, "{name} < {least}");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 1..=5_000 {
        let update = KeyUpdate::new().with_name(number.to_string());
        apply(&store, &id(1), &KeyChange::Update(update), &context())
            .await
            .unwrap();
        written.store(number, Ordering::SeqCst);
        if number % 8 == 0 {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
}

/// Looks up through one store and listens to another.
struct Told<S>(S, MemoryStore);

#[async_trait::async_trait]
impl<S: KeyStore> KeyStore for Told<S> {
    async fn find(&self, digest: &tower_api_key::key::KeyDigest) -> crate::support::stores::Found {
        self.0.find(digest).await
    }
}

impl<S: Send + Sync + 'static> tower_api_key::store::ChangeFeed for Told<S> {
    fn watch(&self, listener: std::sync::Weak<dyn tower_api_key::store::FeedListener>) {
        self.1.watch(listener);
    }
}

/// The key is revoked while its verification waits for the store.
#[tokio::test(start_paused = true)]
async fn a_verification_in_flight_lets_nobody_in_afterwards() {
    let store = Script::default();
    let key = ApiKey::generate(&KeyFormat::default()).unwrap();
    let digest = KeyHasher::sha256().digest(&key);
    let version = SecretVersion::new(1, digest, key.prefix(), jiff::Timestamp::UNIX_EPOCH);
    store
        .keys()
        .insert(Insert::new(
            record(1).with_secret_versions([version]),
            &context(),
        ))
        .await
        .unwrap();
    let cached = cached(&store);
    let verifier = Verifier::new(cached.clone());
    let gate = store.hold_after_reading();
    let mut early = Box::pin(verifier.verify(key.expose_secret()));
    assert!(futures::poll!(&mut early).is_pending());
    settle().await;
    apply(&cached, &id(1), &revocation(), &context())
        .await
        .unwrap();
    gate.add_permits(1);
    early.await.unwrap();
    store.let_go();
    let denial = verifier.verify(key.expose_secret()).await.unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Revoked);
    assert_eq!(word(&cached.find(&digest).await), "revoked");
}
