//! The clock that a cache goes by unless it is told otherwise, in real time.
//!
//! Every claim is about what must hold whenever the test's thread runs and however long it waits.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::time::advance;
use tower_api_key::KeyRegistry;
use tower_api_key::store::{CacheOptions, CachedStore, FeedEvent, FeedState};

use crate::kit::{MOMENT, SECOND, Script, find, id, known, revocation};
use crate::support::changes::context;

/// Longer than by how much the fast reading of the clock may be ahead.
const LIFE: Duration = Duration::from_millis(1_300);

fn exact() -> CacheOptions {
    CacheOptions::new().with_jitter_percent(0)
}

/// Asks until there is no answer, and shows that it came until the end and no longer. The life
/// began between these two instants.
fn assert_lives(
    cached: &CachedStore<Script>,
    (number, answer): (u32, &str),
    life: Duration,
    (earliest, latest): (Instant, Instant),
) {
    let mut answers = 0;
    loop {
        let asked = Instant::now();
        let known = known(cached, number);
        if earliest.elapsed() < life {
            assert_eq!(known, answer, "after {:?}", latest.elapsed());
            answers += 1;
        } else if asked.duration_since(latest) >= life {
            assert_eq!(known, "nothing", "after {:?}", latest.elapsed());
            break;
        }
        sleep(MOMENT);
    }
    assert!(answers > 0, "the machine was too slow to see a life");
}

#[tokio::test]
async fn lives_long_and_short_end_when_they_should() {
    for life in [LIFE, Duration::from_millis(200)] {
        let options = exact()
            .with_time_to_live(life)
            .with_negative_time_to_live(life);
        let cached = CachedStore::new(Script::with([1]), options).unwrap();
        for (number, answer) in [(1, "active"), (2, "unknown")] {
            let earliest = Instant::now();
            assert_eq!(find(&cached, number).await, answer);
            let began = (earliest, Instant::now());
            assert_lives(&cached, (number, answer), life, began);
        }
    }
}

#[tokio::test]
async fn a_proof_holds_for_as_long_as_it_should() {
    let store = Script::with([1]);
    let options = exact().with_fallback_time_to_live(LIFE);
    let cached = CachedStore::watching(store.clone(), options).unwrap();
    find(&cached, 1).await;
    sleep(LIFE);
    assert_eq!(known(&cached, 1), "nothing");
    // The proof counts from when it was asked for, not from when it comes; it counts as older if the
    // thread had to wait as the cache was told.
    let earliest = Instant::now().checked_sub(SECOND / 10).unwrap();
    let as_of = tokio::time::Instant::now().into_std();
    let latest = Instant::now();
    sleep(Duration::from_millis(100));
    store.tell(FeedEvent::CaughtUp { as_of });
    assert_lives(&cached, (1, "active"), LIFE, (earliest, latest));
    assert_eq!(cached.feed_state(), FeedState::Behind);
    // One that is older still adds nothing.
    store.tell(FeedEvent::CaughtUp { as_of });
    assert_eq!(known(&cached, 1), "nothing");
    // One from the future counts from now.
    let as_of = as_of + SECOND * 3_600;
    let earliest = Instant::now().checked_sub(SECOND / 10).unwrap();
    store.tell(FeedEvent::CaughtUp { as_of });
    assert_lives(&cached, (1, "active"), LIFE, (earliest, Instant::now()));
}

#[tokio::test]
async fn a_change_that_is_told_holds_at_once() {
    let store = Script::with([1]);
    let cached = CachedStore::watching(store.clone(), exact()).unwrap();
    store.tell(FeedEvent::InStep);
    assert_eq!(find(&cached, 1).await, "active");
    store
        .keys()
        .apply(&id(1), &revocation(), &context())
        .await
        .unwrap();
    store.tell(FeedEvent::Changed(id(1)));
    assert_eq!(known(&cached, 1), "nothing");
    assert_eq!(find(&cached, 1).await, "revoked");
}

/// Only the clock that the option names can be paused.
#[tokio::test(start_paused = true)]
#[cfg(target_os = "linux")]
async fn the_option_makes_a_cache_follow_a_test() {
    for (options, after) in [(exact(), "active"), (exact().with_tokio_clock(), "nothing")] {
        let cached = CachedStore::new(Script::with([1]), options).unwrap();
        find(&cached, 1).await;
        advance(SECOND * 60).await;
        assert_eq!(known(&cached, 1), after);
    }
}
