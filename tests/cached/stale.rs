//! Answers from memory while the store fails.

use jiff::Timestamp;
use tokio::time::{Instant, advance};
use tower_api_key::clock::ManualClock;
use tower_api_key::denial::DenialKind;
use tower_api_key::record::KeyChange;
use tower_api_key::store::{CacheEvent, CacheOptions, CachedStore, FeedEvent, StoreErrorKind};
use tower_api_key::testing::apply;
use tower_api_key::{KeyManager, NewKey};

use crate::kit::{
    Events, MOMENT, SECOND, Script, begin, digest, find, id, just_before, known, revocation,
    version, watching,
};
use crate::support::START;
use crate::support::changes::context;

/// A cache that answers until ten minutes after a record was read, and what it tells.
fn lenient(store: &Script) -> (CachedStore<Script>, Events) {
    let events = Events::default();
    let options = events
        .observe(CacheOptions::new())
        .with_stale_if_error(SECOND * 600);
    (
        CachedStore::watching(store.clone(), options).unwrap(),
        events,
    )
}

#[tokio::test(start_paused = true)]
async fn by_default_a_failure_is_a_failure() {
    let store = Script::with([1]);
    let cached = watching(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    store.fail(StoreErrorKind::Unavailable);
    advance(SECOND * 60).await;
    assert_eq!(find(&cached, 1).await, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_record_answers_until_its_hard_end() {
    let store = Script::with([1]);
    let (cached, events) = lenient(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    store.fail(StoreErrorKind::Unavailable);
    advance(SECOND * 60).await;
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 2));
    let stale = CacheEvent::Stale {
        id: id(1),
        failure: StoreErrorKind::Unavailable,
    };
    assert_eq!(events.take(), [stale]);
    // A store that fails is spared for a second.
    advance(just_before(SECOND)).await;
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 2));
    advance(MOMENT).await;
    assert_eq!(known(&cached, 1), "nothing");
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 3));
    assert_eq!(cached.stats().stale, 2);
    // The last such second does not pass the end.
    advance(just_before(SECOND * 539)).await;
    assert_eq!(find(&cached, 1).await, "active");
    advance(MOMENT).await;
    assert_eq!(known(&cached, 1), "nothing");
    assert_eq!(find(&cached, 1).await, "unavailable");
    store.fail(None);
    assert_eq!(find(&cached, 1).await, "active");
}

#[tokio::test(start_paused = true)]
async fn a_known_revocation_holds_while_the_store_fails() {
    let store = Script::with([1]);
    let (cached, events) = lenient(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    store.fail(StoreErrorKind::Unavailable);
    advance(SECOND * 60).await;
    assert_eq!(find(&cached, 1).await, "active");
    apply(store.keys(), &id(1), &revocation(), &context())
        .await
        .unwrap();
    store.tell(FeedEvent::Changed(id(1)));
    assert_eq!(known(&cached, 1), "nothing");
    assert_eq!(find(&cached, 1).await, "unavailable");

    // Heard of while the look-up that fails is under way, and while it is answered from memory.
    for tell in [FeedEvent::Changed(id(1)), FeedEvent::Reset] {
        let store = Script::with([1]);
        let (cached, _) = lenient(&store);
        store.tell(FeedEvent::InStep);
        find(&cached, 1).await;
        advance(SECOND * 60).await;
        let gate = store.hold_before_reading();
        let waiting = begin(&cached, 1).await;
        store.fail(StoreErrorKind::Unavailable);
        store.tell(tell);
        gate.add_permits(1);
        assert_eq!(waiting.await.unwrap(), "unavailable");
    }
    assert_eq!(events.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_said_last_counts() {
    let store = Script::with([1]);
    let (cached, _) = lenient(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    // The key is deleted unheard, and the cache finds out by itself.
    let deletion = KeyChange::Delete;
    apply(store.keys(), &id(1), &deletion, &context())
        .await
        .unwrap();
    advance(SECOND * 60).await;
    assert_eq!(find(&cached, 1).await, "unknown");
    store.fail(StoreErrorKind::Unavailable);
    advance(SECOND * 5).await;
    assert_eq!(find(&cached, 1).await, "unavailable");
}

/// A cache without a feed that holds a key under both of its digests.
async fn with_two_secrets() -> (Script, CachedStore<Script>) {
    let store = Script::with([1]);
    let grace = KeyChange::Rotate {
        digest: digest(2),
        prefix: version(2, 1).prefix(),
        at: Timestamp::UNIX_EPOCH,
        others_retire_at: "2999-01-01T00:00:00Z".parse().unwrap(),
    };
    change_at(&store, &grace).await;
    let options = CacheOptions::new().with_stale_if_error(SECOND * 600);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    assert_eq!(find(&cached, 1).await, "rotated");
    assert_eq!(find(&cached, 2).await, "rotated");
    (store, cached)
}

async fn change_at(store: &Script, change: &KeyChange) {
    let applied = apply(store.keys(), &id(1), change, &context()).await;
    applied.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_read_under_one_secret_holds_under_the_other() {
    for (change, read, other) in [
        (revocation(), "revoked", "revoked"),
        (KeyChange::Delete, "unknown", "unavailable"),
    ] {
        let (store, cached) = with_two_secrets().await;
        change_at(&store, &change).await;
        advance(SECOND * 61).await;
        assert_eq!(find(&cached, 2).await, read);
        store.fail(StoreErrorKind::Unavailable);
        assert_eq!(find(&cached, 1).await, other);
        advance(SECOND * 120).await;
        assert_eq!(find(&cached, 1).await, other);
    }
}

/// A look-up that began before, and lands after, brings the old record back under no digest.
#[tokio::test(start_paused = true)]
async fn an_earlier_look_up_does_not_undo_a_later_one() {
    for (change, held, read, other) in [
        (revocation(), true, "revoked", "revoked"),
        (revocation(), false, "revoked", "unavailable"),
        (KeyChange::Delete, true, "unknown", "unavailable"),
        (KeyChange::Delete, false, "unknown", "unavailable"),
    ] {
        let (store, cached) = with_two_secrets().await;
        advance(SECOND * 61).await;
        if !held {
            cached.clear();
        }
        let gate = store.hold_after_reading();
        let earlier = begin(&cached, 1).await;
        change_at(&store, &change).await;
        store.let_go();
        advance(MOMENT).await;
        assert_eq!(find(&cached, 2).await, read);
        gate.add_permits(1);
        assert_eq!(earlier.await.unwrap(), "rotated", "it began before");
        store.fail(StoreErrorKind::Unavailable);
        assert_eq!(find(&cached, 2).await, read);
        assert_eq!(find(&cached, 1).await, other);
    }
}

/// Those who use both secrets in turn cost no more look-ups than those who use one.
#[tokio::test(start_paused = true)]
async fn two_secrets_in_turn_are_answered_from_memory() {
    let (store, cached) = with_two_secrets().await;
    assert_eq!(store.asked(), 2);
    advance(SECOND * 60).await;
    for _ in 0..3 {
        assert_eq!(find(&cached, 1).await, "rotated");
        assert_eq!(find(&cached, 2).await, "rotated");
    }
    assert_eq!((store.asked(), cached.stats().keys), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn which_failures_count() {
    for (kind, answer) in [
        (StoreErrorKind::Unavailable, "active"),
        (StoreErrorKind::TimedOut, "active"),
        (StoreErrorKind::Overloaded, "active"),
        (StoreErrorKind::Corrupt, "corrupt"),
    ] {
        let store = Script::with([1]);
        let (cached, _) = lenient(&store);
        store.tell(FeedEvent::InStep);
        find(&cached, 1).await;
        advance(SECOND * 60).await;
        store.fail(kind);
        assert_eq!(find(&cached, 1).await, answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_or_is_crowded_fails_too() {
    let store = Script::with([1, 2]);
    let events = Events::default();
    let options = events
        .observe(CacheOptions::new())
        .with_stale_if_error(SECOND * 600);
    let options = options.with_max_look_ups(1);
    let cached = CachedStore::watching(store.clone(), options).unwrap();
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    find(&cached, 2).await;
    advance(SECOND * 60).await;
    let _gate = store.hold_before_reading();
    let began = Instant::now();
    let hanging = begin(&cached, 1).await;
    assert_eq!(
        find(&cached, 2).await,
        "active",
        "there is room for one look-up only"
    );
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    assert_eq!(hanging.await.unwrap(), "active");
    assert_eq!(began.elapsed(), SECOND);
    let failures = [
        (2, StoreErrorKind::Overloaded),
        (1, StoreErrorKind::TimedOut),
    ];
    let told = failures.map(|(key, failure)| CacheEvent::Stale {
        id: id(key),
        failure,
    });
    assert_eq!(events.take(), told);
}

/// The feed is lost with the store, as when a database is down.
#[tokio::test(start_paused = true)]
async fn the_hard_end_takes_the_place_of_the_fallback() {
    let store = Script::with([1]);
    let (cached, _) = lenient(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    store.tell(FeedEvent::Lost);
    store.fail(StoreErrorKind::Unavailable);
    advance(SECOND * 5).await;
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 2));
    advance(just_before(SECOND)).await;
    assert_eq!((find(&cached, 1).await, store.asked()), ("active", 2));
    advance(SECOND * 594).await;
    assert_eq!(find(&cached, 1).await, "active");
    advance(MOMENT).await;
    assert_eq!(find(&cached, 1).await, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn an_expired_key_is_refused_while_the_store_fails() {
    let clock = ManualClock::at(START.parse().unwrap());
    let store = Script::default();
    let (cached, _) = lenient(&store);
    let keys = KeyManager::new(cached).with_clock(clock.clone());
    let new = NewKey::new("acct_42", "CI").expires_in(SECOND * 100);
    let key = keys.issue(new).await.unwrap().key;
    let verifier = keys.verifier();
    verifier.verify(key.expose_secret()).await.unwrap();
    store.fail(StoreErrorKind::Unavailable);
    for _ in 0..2 {
        advance(just_before(SECOND * 50)).await;
        clock.advance(just_before(SECOND * 50));
        verifier.verify(key.expose_secret()).await.unwrap();
    }
    clock.advance(MOMENT * 2);
    let denial = verifier.verify(key.expose_secret()).await.unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Expired);
}
