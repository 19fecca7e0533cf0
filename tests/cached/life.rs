//! How long an answer is remembered.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::advance;
use tower_api_key::KeyManager;
use tower_api_key::NewKey;
use tower_api_key::clock::ManualClock;
use tower_api_key::denial::DenialKind;
use tower_api_key::store::{CacheOptions, CachedStore, KeyStore};

use crate::kit::{
    MOMENT, SECOND, Script, cached, digest, earliest_end, find, id, just_before, known, lasting,
};
use crate::support::START;

#[tokio::test(start_paused = true)]
async fn a_key_is_remembered_for_its_time_to_live_and_no_longer() {
    let store = Script::with([1]);
    let cached = cached(&store);
    assert_eq!(known(&cached, 1), "nothing");
    assert_eq!(find(&cached, 1).await, "active");
    let earliest = just_before(earliest_end(SECOND * 60));
    advance(earliest).await;
    assert_eq!((known(&cached, 1), store.asked()), ("active", 1));
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 1));
    advance((SECOND * 60).saturating_sub(earliest)).await;
    assert_eq!(known(&cached, 1), "nothing");
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 2));
    assert_eq!(known(&cached, 1), "active");
}

#[tokio::test(start_paused = true)]
async fn that_a_key_is_unknown_is_remembered_for_its_own_time() {
    let store = Script::default();
    let cached = cached(&store);
    assert_eq!(find(&cached, 1).await, "unknown");
    let earliest = just_before(earliest_end(SECOND * 5));
    advance(earliest).await;
    assert_eq!((known(&cached, 1), store.asked()), ("unknown", 1));
    advance((SECOND * 5).saturating_sub(earliest)).await;
    assert_eq!(known(&cached, 1), "nothing");
    assert_eq!((find(&cached, 1).await, store.asked()), ("unknown", 2));
}

/// A life is counted from when the look-up began: the store may have read the row at once.
#[tokio::test(start_paused = true)]
async fn a_life_begins_when_the_look_up_does() {
    let store = Script::with([1]);
    let options = CacheOptions::new().with_look_up_deadline(SECOND * 30);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    let gate = store.hold_after_reading();
    let finding = crate::kit::begin(&cached, 1).await;
    // By more than the jitter.
    let took = SECOND * 10;
    advance(took).await;
    gate.add_permits(1);
    assert_eq!(finding.await.unwrap(), "active");
    let earliest = just_before(earliest_end(SECOND * 60).saturating_sub(took));
    advance(earliest).await;
    assert_eq!(known(&cached, 1), "active");
    advance((SECOND * 60).saturating_sub(took + earliest)).await;
    assert_eq!(known(&cached, 1), "nothing");
}

#[tokio::test(start_paused = true)]
async fn zero_switches_either_side_off() {
    let store = Script::with([1]);
    let options = CacheOptions::new().with_time_to_live(Duration::ZERO);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    for asked in 1..4 {
        assert_eq!((find(&cached, 1).await, store.asked()), ("active", asked));
        assert_eq!(known(&cached, 1), "nothing");
    }
    assert_eq!(find(&cached, 2).await, "unknown");
    assert_eq!(known(&cached, 2), "unknown");

    let store = Script::with([1]);
    let options = CacheOptions::new().with_negative_time_to_live(Duration::ZERO);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    for asked in 1..4 {
        assert_eq!((find(&cached, 2).await, store.asked()), ("unknown", asked));
        assert_eq!(known(&cached, 2), "nothing");
    }
    assert_eq!(find(&cached, 1).await, "active");
    assert_eq!(known(&cached, 1), "active");
}

#[tokio::test(start_paused = true)]
async fn jitter_shortens_lives_and_never_lengthens_one() {
    let store = Script::with(0..1_000);
    let cached = cached(&store);
    for number in 0..1_000 {
        find(&cached, number).await;
    }
    let alive = || (0..1_000).filter(|&number| known(&cached, number) == "active");
    advance(just_before(earliest_end(SECOND * 60))).await;
    assert_eq!(alive().count(), 1_000);
    let mut counts = BTreeSet::new();
    for _ in 0..6 {
        advance(SECOND).await;
        counts.insert(alive().count());
    }
    assert_eq!(
        counts.len(),
        6,
        "about a sixth ends in each second: {counts:?}"
    );
    advance(MOMENT).await;
    assert_eq!(alive().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_key_is_refused_though_it_is_remembered() {
    let clock = ManualClock::at(START.parse().unwrap());
    let store = CachedStore::new(Script::default(), CacheOptions::new()).unwrap();
    let keys = KeyManager::new(store).with_clock(clock.clone());
    let new = NewKey::new("acct_42", "CI").expires_in(SECOND * 10);
    let key = keys.issue(new).await.unwrap().key;
    let verifier = keys.verifier();
    verifier.verify(key.expose_secret()).await.unwrap();
    clock.advance(just_before(SECOND * 10));
    verifier.verify(key.expose_secret()).await.unwrap();
    clock.advance(MOMENT);
    let denial = verifier.verify(key.expose_secret()).await.unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Expired);
    assert_eq!(keys.store().stats().look_ups, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_bounded_and_what_is_used_stays() {
    let store = Script::with(0..1_000);
    let options = CacheOptions::new()
        .with_capacity(100)
        .with_negative_capacity(50)
        .with_unknown_keys_per_second(None);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    for number in 0..2_000 {
        find(&cached, number).await;
        assert_eq!(find(&cached, 0).await, "active");
        let stats = cached.stats();
        assert!(stats.keys <= 100 && stats.unknown_keys <= 50, "{stats:?}");
    }
    assert_eq!(
        (cached.stats().keys, cached.stats().unknown_keys),
        (100, 50)
    );
    assert_eq!(store.asked(), 2_000, "key 0 was asked for once");

    // What was driven out is not found by its id either, and comes back as what it is now.
    cached.invalidate(&id(1));
    assert_eq!(cached.stats().keys, 100);
    cached.invalidate(&id(0));
    assert_eq!(cached.stats().keys, 99);
    assert_eq!(known(&cached, 0), "nothing");
}

/// Only hits need no runtime.
#[test]
fn what_is_remembered_needs_no_runtime() {
    let store = Script::with([1]);
    let cached = CachedStore::new(store.clone(), lasting()).unwrap();
    let error = futures::executor::block_on(cached.find(&digest(1))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a tokio runtime for a look-up, found none"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    assert_eq!(runtime.unwrap().block_on(find(&cached, 1)), "active");
    assert_eq!(known(&cached, 1), "active");
    assert_eq!(futures::executor::block_on(find(&cached, 1)), "active");
    assert_eq!(store.asked(), 1);
}
