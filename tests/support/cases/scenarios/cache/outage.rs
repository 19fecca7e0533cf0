//! A store that is down or late, behind a cache.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use tokio::time::{Instant, advance};
use tower_api_key::clock::ManualClock;
use tower_api_key::store::{CacheEvent, FeedEvent, StoreErrorKind};
use tower_api_key::{ApiKeyLayer, IssuedKey, KeyManager, MemoryStore};

use super::far::Far;
use super::kit::{
    MOMENT, SECOND, begin, cached, earliest_end, just_before, options, settle, watching,
};
use crate::scenarios::kit::{new_key, status};

const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// How long after a record was read it may answer while the store is down.
const MAX_AGE: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn sc_out_2_a_stale_record_answers_for_a_while_when_that_was_chosen() {
    let clock = ManualClock::at("2026-03-01T12:00:00Z".parse().unwrap());
    let far = Far::with(KeyManager::new(MemoryStore::new()).with_clock(clock.clone()));
    let events = Arc::new(Mutex::new(Vec::new()));
    let notes = events.clone();
    let observer = move |event| notes.lock().unwrap().push(event);
    let lenient = options()
        .with_stale_if_error(MAX_AGE)
        .with_observer(observer);
    let store = watching(&far, lenient);
    far.tell(FeedEvent::InStep);
    let layer = ApiKeyLayer::new(store.clone()).with_clock(clock.clone());
    let answer = |fresh: &IssuedKey| {
        let (layer, key) = (layer.clone(), fresh.key.expose_secret().to_owned());
        async move { status(&layer, &key).await }
    };
    let pass = async |time| {
        clock.advance(time);
        advance(time).await;
    };

    let [valid, disabled, told, never_used] = [far.issue(), far.issue(), far.issue(), far.issue()];
    let [valid, disabled, told, never_used] =
        [valid.await, disabled.await, told.await, never_used.await];
    let ends = far.keys().issue(new_key().expires_in(SECOND * 300));
    let ends = ends.await.unwrap();
    far.keys().disable(&disabled.record.id()).await.unwrap();
    for (fresh, expected) in [
        (&valid, OK),
        (&disabled, UNAUTHORIZED),
        (&told, OK),
        (&ends, OK),
    ] {
        assert_eq!(answer(fresh).await, expected);
    }

    far.fail(StoreErrorKind::Unavailable);
    pass(SECOND * 100).await;
    assert_eq!(answer(&told).await, OK);
    let mut stale = 1;
    // The feed still tells.
    far.keys()
        .revoke(&told.record.id(), "leaked")
        .await
        .unwrap();
    far.tell(FeedEvent::Changed(told.record.id()));
    for elapsed in (103..=598).step_by(3) {
        pass(SECOND * 3).await;
        assert_eq!(answer(&valid).await, OK, "after {elapsed} s");
        assert_eq!(answer(&disabled).await, UNAUTHORIZED);
        assert_eq!(answer(&told).await, UNAVAILABLE);
        assert_eq!(answer(&never_used).await, UNAVAILABLE);
        let expected = if elapsed < 300 { OK } else { UNAUTHORIZED };
        assert_eq!(answer(&ends).await, expected, "after {elapsed} s");
        stale += 3;
    }
    pass(just_before(SECOND * 2)).await;
    assert_eq!(answer(&valid).await, OK);
    stale += 1;
    pass(MOMENT).await;
    assert_eq!(answer(&valid).await, UNAVAILABLE);
    assert_eq!(answer(&disabled).await, UNAVAILABLE);

    assert_eq!(store.stats().stale, stale);
    let events = events.lock().unwrap();
    assert_eq!(events.len() as u64, stale);
    assert!(events.iter().all(|event| {
        matches!(event, CacheEvent::Stale { failure, .. } if *failure == StoreErrorKind::Unavailable)
    }));
}

#[tokio::test(start_paused = true)]
async fn sc_out_2_unless_that_was_chosen_no_stale_record_answers() {
    let far = Far::new();
    let store = cached(&far, options());
    let layer = ApiKeyLayer::new(store.clone());
    let fresh = far.issue().await;
    let key = fresh.key.expose_secret();
    assert_eq!(status(&layer, key).await, OK);
    far.fail(StoreErrorKind::Unavailable);
    let earliest = just_before(earliest_end(SECOND * 60));
    advance(earliest).await;
    assert_eq!(status(&layer, key).await, OK);
    advance((SECOND * 60).saturating_sub(earliest)).await;
    assert_eq!(status(&layer, key).await, UNAVAILABLE);
    far.fail(None);
    assert_eq!((status(&layer, key).await, store.stats().stale), (OK, 0));
}

/// What holds of SC-OUT-4 without a circuit breaker; the ledger says what does not.
#[tokio::test(start_paused = true)]
async fn a_burst_on_a_store_that_hangs_is_refused_beyond_the_cap() {
    let far = Far::new();
    let store = cached(&far, options());
    let layer = ApiKeyLayer::new(store.clone());
    let fresh = far.issue().await;
    let _gates = far.hold();
    let began = Instant::now();
    let keys: Vec<_> = (1..=10_000)
        .map(|number| format!("tc_{number:064x}"))
        .collect();
    let mut under_way = Vec::new();
    // A quarter of 256 is kept for keys that are held.
    for key in &keys[..192] {
        under_way.push(begin(&layer, key).await);
    }
    let refused = join_all(keys[192..].iter().map(|key| status(&layer, key))).await;
    assert!(refused.iter().all(|status| *status == UNAVAILABLE));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!((far.asked(), far.under_way()), (192, (192, 192)));
    assert_eq!(
        (store.stats().under_way, store.stats().refused),
        (192, 9_808)
    );

    // They end at their deadline, and the next look-ups find out whether the store answers.
    advance(SECOND).await;
    settle().await;
    assert_eq!((far.under_way().0, store.stats().under_way), (0, 0));
    for request in under_way {
        assert_eq!(request.await.unwrap(), UNAVAILABLE);
    }
    far.let_go();
    assert_eq!(status(&layer, fresh.key.expose_secret()).await, OK);
}
