//! Who asks the store.

use std::error::Error;

use futures::future::join_all;
use tokio::time::{Instant, advance};
use tower_api_key::denial::DenialKind;
use tower_api_key::store::{CacheOptions, CachedStore, Insert, KeyStore, StoreErrorKind};
use tower_api_key::testing::{Fault, FaultyStore};
use tower_api_key::{KeyRegistry, Verifier};

use crate::kit::{
    MOMENT, SECOND, Script, begin, cached, digest, find, just_before, known, lasting, settle,
};
use crate::support::UNKNOWN;
use crate::support::changes::context;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_makes_one_look_up() {
    let store = Script::with([1]);
    let cached = CachedStore::new(store.clone(), lasting()).unwrap();
    let gate = store.hold_before_reading();
    let herd: Vec<_> = (0..10_000)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(async move { find(&cached, 1).await })
        })
        .collect();
    gate.add_permits(1);
    for one in herd {
        assert_eq!(one.await.unwrap(), "active");
    }
    assert_eq!(store.asked(), 1);
    assert_eq!(cached.stats().look_ups, 1);
}

#[tokio::test(start_paused = true)]
async fn who_began_a_look_up_may_leave() {
    let store = Script::with([1]);
    let cached = cached(&store);
    let gate = store.hold_before_reading();
    let first = begin(&cached, 1).await;
    let second = begin(&cached, 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    assert_eq!(second.await.unwrap(), "active");

    // Even when nobody waits any more, the look-up ends and is remembered.
    assert_eq!(known(&cached, 2), "nothing");
    let alone = begin(&cached, 2).await;
    alone.abort();
    assert_eq!(cached.stats().under_way, 1);
    gate.add_permits(1);
    settle().await;
    assert_eq!(
        (known(&cached, 2), cached.stats().under_way),
        ("unknown", 0)
    );
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_get_the_error_with_its_cause() {
    let store = Script::with([1]);
    let cached = cached(&store);
    store.fail(StoreErrorKind::Unavailable);
    let wanted = digest(1);
    let answers = join_all((0..3).map(|_| cached.find(&wanted))).await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(error.to_string(), "as the test wants");
        assert_eq!(error.source().unwrap().to_string(), "the cause");
    }
    assert_eq!(store.asked(), 1);
    // A failure is not remembered.
    store.fail(None);
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_for_all_who_wait() {
    let store = Script::with([1]);
    let cached = cached(&store);
    store.panic(true);
    let wanted = digest(1);
    for answer in join_all((0..3).map(|_| cached.find(&wanted))).await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(error.to_string(), "the store panicked");
    }
    let denial = Verifier::new(cached.clone()).verify(UNKNOWN).await;
    assert_eq!(denial.unwrap_err().kind(), DenialKind::StoreFailed);
    assert_eq!((store.asked(), cached.stats().under_way), (2, 0));
    store.panic(false);
    assert_eq!(find(&cached, 1).await, "active");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_is_dropped_at_its_deadline() {
    let store = Script::with([1]);
    let cached = cached(&store);
    let _gate = store.hold_before_reading();
    let began = Instant::now();
    let first = begin(&cached, 1).await;
    advance(SECOND / 2).await;
    let error = cached.find(&digest(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    assert_eq!(
        error.to_string(),
        "expected an answer within 1s, found none"
    );
    assert_eq!(began.elapsed(), SECOND);
    assert_eq!(first.await.unwrap(), "late");
    assert_eq!((store.asked(), store.under_way()), (1, 0));
    store.let_go();
    assert_eq!(find(&cached, 1).await, "active");
}

#[tokio::test(start_paused = true)]
async fn look_ups_beyond_the_cap_are_refused_at_once() {
    let store = Script::with([0]);
    let options = CacheOptions::new()
        .with_max_look_ups(8)
        .with_time_to_live(SECOND);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    assert_eq!(find(&cached, 0).await, "active");
    advance(SECOND).await;
    let gate = store.hold_before_reading();
    let began = Instant::now();
    let mut waiting = Vec::new();
    for number in 1..=6 {
        waiting.push(begin(&cached, number).await);
    }
    let error = cached.find(&digest(7)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Overloaded);
    assert_eq!(
        error.to_string(),
        "expected fewer than 6 look-ups under way, found as many"
    );
    // To join one that is under way is no look-up, and a key that is held has room of its own.
    waiting.push(begin(&cached, 1).await);
    let held = begin(&cached, 0).await;
    assert_eq!((store.asked(), store.under_way()), (8, 7));
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    gate.add_permits(7);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), "unknown");
    }
    assert_eq!(held.await.unwrap(), "active");
    store.let_go();
    assert_eq!(find(&cached, 7).await, "unknown");
    let stats = cached.stats();
    assert_eq!((stats.refused, stats.look_ups, stats.under_way), (1, 9, 0));
}

#[tokio::test(start_paused = true)]
async fn look_ups_of_unknown_keys_have_a_rate() {
    let store = Script::with([0]);
    let options = CacheOptions::new()
        .with_unknown_keys_per_second(Some(10))
        .with_time_to_live(SECOND * 2);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    assert_eq!(find(&cached, 0).await, "active");
    advance(SECOND).await;
    for number in 1..=10 {
        assert_eq!(find(&cached, number).await, "unknown");
    }
    let error = cached.find(&digest(11)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Overloaded);
    assert_eq!(
        error.to_string(),
        "expected at most 10 unknown keys a second, found more"
    );
    advance(just_before(SECOND / 10)).await;
    assert_eq!(find(&cached, 11).await, "overloaded");
    advance(MOMENT).await;
    assert_eq!(find(&cached, 11).await, "unknown");
    assert_eq!(find(&cached, 12).await, "overloaded");
    // A key that is held, though out of date, is read again at any rate.
    advance(SECOND / 10 * 9).await;
    for number in 20..=28 {
        assert_eq!(find(&cached, number).await, "unknown");
    }
    assert_eq!(find(&cached, 29).await, "overloaded");
    assert_eq!(
        (known(&cached, 0), find(&cached, 0).await),
        ("nothing", "active")
    );
}

/// As after a start under full load.
#[tokio::test(start_paused = true)]
async fn a_cache_fills_with_keys_that_exist_at_any_rate() {
    let store = Script::with(0..1_000);
    let options = CacheOptions::new().with_unknown_keys_per_second(Some(10));
    let cached = CachedStore::new(store.clone(), options).unwrap();
    for number in 0..1_000 {
        assert_eq!(find(&cached, number).await, "active");
    }
    // Each counts until it has found its key, and for good if the store fails.
    cached.clear();
    let gate = store.hold_before_reading();
    let mut waiting = Vec::new();
    for number in 2_000..2_010 {
        waiting.push(begin(&cached, number).await);
    }
    assert_eq!(find(&cached, 2_010).await, "overloaded");
    assert_eq!(store.asked(), 1_010);
    store.fail(StoreErrorKind::Unavailable);
    gate.add_permits(10);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), "unavailable");
    }
    store.let_go();
    store.fail(None);
    assert_eq!(find(&cached, 2_010).await, "overloaded");
    advance(SECOND / 10).await;
    store
        .keys()
        .insert(Insert::new(crate::kit::record(2_010), &context()))
        .await
        .unwrap();
    assert_eq!(find(&cached, 2_010).await, "active");
    assert_eq!(find(&cached, 2_011).await, "unknown");
    assert_eq!(find(&cached, 2_012).await, "overloaded");
}

#[tokio::test]
async fn a_look_up_whose_runtime_ends_fails() {
    let store = Script::with([1]);
    let cached = CachedStore::new(store.clone(), lasting()).unwrap();
    let _gate = store.hold_before_reading();
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let elsewhere = cached.clone();
    other.spawn(async move { find(&elsewhere, 1).await });
    while store.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let joined = begin(&cached, 1).await;
    other.shutdown_background();
    assert_eq!(joined.await.unwrap(), "unavailable");
    assert_eq!((store.asked(), cached.stats().under_way), (1, 0));
    store.let_go();
    assert_eq!(find(&cached, 1).await, "active");
}

/// Nothing drives the runtime that the look-up runs on, so its deadline does not come.
#[tokio::test(start_paused = true)]
async fn a_look_up_that_stands_still_holds_nobody_up() {
    let store = Script::with([1]);
    let cached = cached(&store);
    let _gate = store.hold_before_reading();
    let elsewhere = cached.clone();
    let still = std::thread::spawn(move || {
        let still = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        still.block_on(begin(&elsewhere, 1));
        still
    });
    let still = still.join().unwrap();
    assert_eq!((store.asked(), store.under_way()), (1, 1));
    let began = Instant::now();
    let joined = begin(&cached, 1).await;
    assert_eq!(store.asked(), 1);
    // What began so long ago is not joined any more.
    advance(SECOND + SECOND / 2).await;
    store.let_go();
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 2));
    assert_eq!(joined.await.unwrap(), "late");
    assert_eq!(began.elapsed(), SECOND * 2);
    assert_eq!(cached.stats().under_way, 1);
    still.shutdown_background();
    assert_eq!((known(&cached, 1), cached.stats().under_way), ("active", 0));
}

/// Another key's record is a fault of the store. It is told as one and not remembered, so that a
/// good key is let in as soon as the store is sound.
#[tokio::test(start_paused = true)]
async fn a_wrong_row_is_not_remembered() {
    for fault in [Fault::WrongKey, Fault::WrongDigest] {
        let faulty = FaultyStore::new(Script::with([1]), 1).with_lookup_fault(fault, 100);
        let cached = CachedStore::new(faulty, CacheOptions::new()).unwrap();
        assert_eq!(find(&cached, 1).await, "corrupt");
        assert_eq!((known(&cached, 1), cached.stats().keys), ("nothing", 0));
        cached.inner().set_failing(false);
        assert_eq!(find(&cached, 1).await, "active");
    }
}
