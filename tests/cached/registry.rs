//! Changes through a cache: it forgets the key, however the call ends.

use std::time::Duration;

use tower_api_key::record::KeyChange;
use tower_api_key::store::{
    CacheOptions, CachedStore, Insert, KeyUse, PageRequest, StoreErrorKind, TimeoutStore,
    UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyManager, KeyRegistry, NewKey};

use crate::kit::{SECOND, Script, cached, find, id, known, record, revocation, settle, word};
use crate::support::changes::{batch, context};

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_may_have_been_made() {
    let store = Script::with([1]);
    let cached = cached(&store);
    assert_eq!(
        (find(&cached, 1).await, find(&cached, 2).await),
        ("active", "unknown")
    );
    store.fail(StoreErrorKind::TimedOut);
    let failed = apply(&cached, &id(1), &revocation(), &context())
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), StoreErrorKind::TimedOut);
    cached
        .insert(Insert::new(record(2), &context()))
        .await
        .unwrap_err();
    store.fail(None);
    assert_eq!(
        (known(&cached, 1), known(&cached, 2)),
        ("nothing", "nothing")
    );
    assert_eq!(
        (find(&cached, 1).await, find(&cached, 2).await),
        ("revoked", "active")
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_that_takes_too_long_may_have_been_made() {
    let store = Script::with([1]);
    // The deadline may be on either side of the cache.
    let cached = cached(&store);
    let outside = TimeoutStore::new(cached.clone(), SECOND);
    assert_eq!(find(&cached, 1).await, "active");
    let _gate = store.hold_before_reading();
    let late = apply(&outside, &id(1), &revocation(), &context())
        .await
        .unwrap_err();
    assert_eq!(late.kind(), StoreErrorKind::TimedOut);
    assert_eq!(known(&cached, 1), "nothing");

    store.let_go();
    let inside = CachedStore::new(
        TimeoutStore::new(store.clone(), SECOND),
        CacheOptions::new(),
    )
    .unwrap();
    assert_eq!(find(&inside, 1).await, "revoked");
    let _gate = store.hold_before_reading();
    let late = apply(&inside, &id(1), &KeyChange::Delete, &context())
        .await
        .unwrap_err();
    assert_eq!(late.kind(), StoreErrorKind::TimedOut);
    store.let_go();
    assert_eq!(find(&inside, 1).await, "unknown");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_waits_for_may_have_been_made() {
    let store = Script::with([1]);
    let cached = cached(&store);
    assert_eq!(find(&cached, 1).await, "active");
    let _gate = store.hold_before_reading();
    let (copy, change) = (cached.clone(), revocation());
    let task = tokio::spawn(async move { apply(&copy, &id(1), &change, &context()).await });
    settle().await;
    assert_eq!(known(&cached, 1), "active", "the call has not returned");
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    store.let_go();
    assert_eq!(find(&cached, 1).await, "revoked");
}

#[tokio::test(start_paused = true)]
async fn questions_and_uses_go_to_the_store() {
    let store = Script::with([1]);
    let cached = cached(&store);
    find(&cached, 1).await;
    let elsewhere = store.keys();
    apply(elsewhere, &id(1), &KeyChange::Disable, &context())
        .await
        .unwrap();
    assert_eq!(word(&cached.get(&id(1)).await), "disabled");
    let page = cached
        .list("acct_42", &PageRequest::default())
        .await
        .unwrap();
    assert!(page.keys()[0].is_disabled());
    let used = KeyUse::new(id(1), 1, jiff::Timestamp::UNIX_EPOCH);
    cached.record_usage(&batch([used])).await.unwrap();
    let record = elsewhere.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(record.last_used_at(), Some(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(known(&cached, 1), "active", "uses make it forget nothing");
    assert_eq!(cached.inner().asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_manager_works_on_a_cache() {
    let keys = KeyManager::new(cached(&Script::default()));
    let issued = keys.issue(NewKey::new("acct_42", "CI")).await.unwrap();
    let verifier = keys.verifier();
    verifier.verify(issued.key.expose_secret()).await.unwrap();
    let id = issued.record.id();
    let rotated = keys.rotate(&id, Duration::ZERO).await.unwrap();
    verifier.verify(rotated.key.expose_secret()).await.unwrap();
    verifier
        .verify(issued.key.expose_secret())
        .await
        .unwrap_err();
    keys.revoke(&id, "leaked").await.unwrap();
    verifier
        .verify(rotated.key.expose_secret())
        .await
        .unwrap_err();
    assert_eq!(keys.store().inner().asked(), 4);
}
