//! What a cache makes of the feed: how long it answers with and without proof.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, advance};
use tower_api_key::record::KeyId;
use tower_api_key::store::{
    CacheEvent, CacheOptions, CachedStore, ChangeFeed, FeedEvent, FeedListener, FeedState, Insert,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, MemoryStore};

use crate::kit::{
    Events, MOMENT, SECOND, Script, earliest_end, find, id, just_before, known, record, revocation,
    watching,
};
use crate::support::changes::context;

#[tokio::test(start_paused = true)]
async fn in_step_the_whole_time_to_live_counts() {
    let store = Script::with([1]);
    let cached = watching(&store);
    store.tell(FeedEvent::InStep);
    assert_eq!(cached.feed_state(), FeedState::Current);
    find(&cached, 1).await;
    let earliest = just_before(earliest_end(SECOND * 60));
    advance(earliest).await;
    assert_eq!(known(&cached, 1), "active");
    advance((SECOND * 60).saturating_sub(earliest)).await;
    assert_eq!(known(&cached, 1), "nothing");
}

/// A feed that was in step and proves from now on is as good as its proofs.
#[tokio::test(start_paused = true)]
async fn after_a_proof_the_next_one_counts() {
    let store = Script::with([1]);
    let cached = watching(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    advance(SECOND * 10).await;
    assert_eq!(known(&cached, 1), "active");
    store.prove();
    advance(just_before(SECOND * 5)).await;
    assert_eq!(known(&cached, 1), "active");
    advance(MOMENT).await;
    assert_eq!(known(&cached, 1), "nothing");
}

#[tokio::test(start_paused = true)]
async fn before_the_first_proof_the_fallback_counts() {
    let store = Script::with([1]);
    let cached = watching(&store);
    assert_eq!(cached.feed_state(), FeedState::Behind);
    find(&cached, 1).await;
    advance(just_before(SECOND * 5)).await;
    assert_eq!(known(&cached, 1), "active");
    advance(MOMENT).await;
    assert_eq!(known(&cached, 1), "nothing");
}

#[tokio::test(start_paused = true)]
async fn a_proof_holds_for_the_fallback_and_no_longer() {
    let store = Script::with([1]);
    let cached = watching(&store);
    store.prove();
    find(&cached, 1).await;
    for _ in 0..7 {
        advance(just_before(SECOND * 5)).await;
        assert_eq!(known(&cached, 1), "active");
        store.prove();
    }
    // The feed falls silent.
    assert_eq!(cached.feed_state(), FeedState::Current);
    advance(just_before(SECOND * 5)).await;
    assert_eq!(
        (known(&cached, 1), cached.feed_state()),
        ("active", FeedState::Current)
    );
    advance(MOMENT).await;
    assert_eq!(
        (known(&cached, 1), cached.feed_state()),
        ("nothing", FeedState::Behind)
    );
    // A proof that comes late is as good as when it was asked for.
    let asked = Instant::now() - SECOND * 4;
    store.tell(FeedEvent::CaughtUp {
        as_of: asked.into_std(),
    });
    assert_eq!(
        (known(&cached, 1), cached.feed_state()),
        ("active", FeedState::Current)
    );
    advance(just_before(SECOND)).await;
    assert_eq!(known(&cached, 1), "active");
    // An older one takes nothing back, and adds nothing.
    let asked = Instant::now() - SECOND * 8;
    store.tell(FeedEvent::CaughtUp {
        as_of: asked.into_std(),
    });
    assert_eq!(known(&cached, 1), "active");
    advance(MOMENT).await;
    assert_eq!(known(&cached, 1), "nothing");
    // Nor does one from the future.
    let asked = Instant::now() + SECOND * 1_000;
    store.tell(FeedEvent::CaughtUp {
        as_of: asked.into_std(),
    });
    advance(SECOND * 5).await;
    assert_eq!(
        (known(&cached, 1), cached.feed_state()),
        ("nothing", FeedState::Behind)
    );
}

#[tokio::test(start_paused = true)]
async fn a_proof_from_before_the_cache_was_made_counts_from_then() {
    let before = Instant::now();
    advance(SECOND * 20).await;
    let store = Script::with([1]);
    let cached = watching(&store);
    store.tell(FeedEvent::CaughtUp {
        as_of: before.into_std(),
    });
    find(&cached, 1).await;
    advance(SECOND * 5).await;
    assert_eq!(
        (known(&cached, 1), cached.feed_state()),
        ("nothing", FeedState::Behind)
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_feed_leaves_the_fallback_from_then_on() {
    let store = Script::with([1, 2]);
    let cached = watching(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    advance(SECOND * 30).await;
    assert_eq!(known(&cached, 1), "active");
    store.tell(FeedEvent::Lost);
    assert_eq!(cached.feed_state(), FeedState::Behind);
    advance(SECOND * 2).await;
    find(&cached, 2).await;
    // A second loss is none: the fallback runs on.
    store.tell(FeedEvent::Lost);
    advance(just_before(SECOND * 3)).await;
    assert_eq!((known(&cached, 1), known(&cached, 2)), ("active", "active"));
    advance(MOMENT).await;
    assert_eq!(
        (known(&cached, 1), known(&cached, 2)),
        ("nothing", "active")
    );
    advance(SECOND * 2).await;
    assert_eq!(known(&cached, 2), "nothing");

    // A revocation goes untold, for at most as long as the fallback.
    find(&cached, 1).await;
    apply(store.keys(), &id(1), &revocation(), &context())
        .await
        .unwrap();
    advance(just_before(SECOND * 5)).await;
    assert_eq!(find(&cached, 1).await, "active");
    advance(MOMENT).await;
    assert_eq!(find(&cached, 1).await, "revoked");
}

/// The feed is lost as the proof is still good: what was proven stays so, and no longer.
#[tokio::test(start_paused = true)]
async fn a_loss_takes_no_proof_back() {
    let store = Script::with([1]);
    let cached = watching(&store);
    store.prove();
    find(&cached, 1).await;
    advance(SECOND * 10).await;
    store.prove();
    advance(SECOND * 2).await;
    store.tell(FeedEvent::Lost);
    advance(just_before(SECOND * 3)).await;
    assert_eq!(
        (known(&cached, 1), cached.feed_state()),
        ("active", FeedState::Behind)
    );
    advance(MOMENT).await;
    assert_eq!(known(&cached, 1), "nothing");
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_everything() {
    let store = Script::with([1]);
    let cached = watching(&store);
    store.tell(FeedEvent::InStep);
    find(&cached, 1).await;
    find(&cached, 2).await;
    assert_eq!(
        (known(&cached, 1), known(&cached, 2)),
        ("active", "unknown")
    );
    store.tell(FeedEvent::Reset);
    assert_eq!(
        (known(&cached, 1), known(&cached, 2)),
        ("nothing", "nothing")
    );
    let gate = store.hold_after_reading();
    let early = crate::kit::begin(&cached, 1).await;
    store.tell(FeedEvent::Reset);
    gate.add_permits(1);
    assert_eq!(
        (early.await.unwrap(), known(&cached, 1)),
        ("active", "nothing")
    );
}

#[tokio::test(start_paused = true)]
async fn a_told_change_is_forgotten_at_once_and_alone() {
    let store = Script::with([1, 2]);
    let cached = watching(&store);
    store.tell(FeedEvent::InStep);
    for number in [1, 2, 3] {
        find(&cached, number).await;
    }
    let all = [1, 2, 3].map(|number| known(&cached, number));
    assert_eq!(all, ["active", "active", "unknown"]);
    apply(store.keys(), &id(1), &revocation(), &context())
        .await
        .unwrap();
    store.tell(FeedEvent::Changed(id(1)));
    let all = [1, 2, 3].map(|number| known(&cached, number));
    assert_eq!(all, ["nothing", "active", "unknown"]);
    assert_eq!(find(&cached, 1).await, "revoked");
    store
        .keys()
        .insert(Insert::new(record(3), &context()))
        .await
        .unwrap();
    store.tell(FeedEvent::Added(id(3)));
    let all = [1, 2, 3].map(|number| known(&cached, number));
    assert_eq!(all, ["revoked", "active", "nothing"]);
}

#[tokio::test(start_paused = true)]
async fn the_observer_hears_of_a_loss_and_of_its_end() {
    let (store, events) = (Script::with([1]), Events::default());
    let cached = CachedStore::watching(store.clone(), events.observe(CacheOptions::new())).unwrap();
    store.tell(FeedEvent::InStep);
    assert_eq!(events.take(), []);
    store.tell(FeedEvent::Lost);
    store.tell(FeedEvent::Lost);
    assert_eq!(events.take(), [CacheEvent::FeedLost]);
    store.tell(FeedEvent::Reset);
    assert_eq!(events.take(), []);
    store.prove();
    store.prove();
    assert_eq!(events.take(), [CacheEvent::FeedRestored]);
    // A silent feed is noticed at the next look-up.
    find(&cached, 1).await;
    advance(just_before(SECOND * 5)).await;
    find(&cached, 1).await;
    assert_eq!(events.take(), []);
    advance(MOMENT).await;
    find(&cached, 1).await;
    assert_eq!(events.take(), [CacheEvent::FeedLost]);
    store.prove();
    assert_eq!(events.take(), [CacheEvent::FeedRestored]);
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_harms_nothing() {
    let store = Script::with([1]);
    let options = CacheOptions::new().with_observer(|event: CacheEvent| panic!("{event:?}"));
    let cached = CachedStore::watching(store.clone(), options).unwrap();
    store.tell(FeedEvent::Lost);
    assert_eq!(find(&cached, 1).await, "active");
    store.prove();
    assert_eq!(cached.feed_state(), FeedState::Current);
    store.tell(FeedEvent::Changed(id(1)));
    assert_eq!(known(&cached, 1), "nothing");
}

#[tokio::test(start_paused = true)]
async fn without_a_feed_there_is_nothing_to_lose() {
    let (store, events) = (Script::with([1]), Events::default());
    let cached = CachedStore::new(store.clone(), events.observe(CacheOptions::new())).unwrap();
    find(&cached, 1).await;
    advance(just_before(earliest_end(SECOND * 60))).await;
    assert_eq!(
        (known(&cached, 1), cached.feed_state()),
        ("active", FeedState::Absent)
    );
    assert_eq!((events.take(), store.listeners()), (vec![], 0));
}

/// The store does not keep a cache alive, and the cache's own listeners hear after it.
#[tokio::test(start_paused = true)]
async fn a_cache_passes_on_what_it_hears() {
    struct Asks {
        cached: Mutex<Option<CachedStore<MemoryStore>>>,
        heard: Mutex<Vec<(FeedEvent, bool)>>,
    }
    impl FeedListener for Asks {
        fn on_event(&self, event: FeedEvent) {
            let cached = self.cached.lock().unwrap();
            let holds = cached
                .as_ref()
                .is_some_and(|cached| known(cached, 1) != "nothing");
            self.heard.lock().unwrap().push((event, holds));
        }
    }
    let store = MemoryStore::from_records([record(1)]).unwrap();
    let cached = CachedStore::watching(store.clone(), CacheOptions::new()).unwrap();
    find(&cached, 1).await;
    let asks = Arc::new(Asks {
        cached: Mutex::new(Some(cached.clone())),
        heard: Mutex::default(),
    });
    let listener: Arc<dyn FeedListener> = asks.clone();
    cached.watch(Arc::downgrade(&listener));
    apply(&store, &id(1), &revocation(), &context())
        .await
        .unwrap();
    let heard = std::mem::take(&mut *asks.heard.lock().unwrap());
    let changed = FeedEvent::Changed(id(1));
    assert_eq!(heard, [(FeedEvent::InStep, true), (changed, false)]);

    let blind = CachedStore::new(store.clone(), CacheOptions::new()).unwrap();
    blind.watch(Arc::downgrade(&listener));
    let heard = std::mem::take(&mut *asks.heard.lock().unwrap());
    assert_eq!(heard, [(FeedEvent::Lost, false)]);
    *asks.cached.lock().unwrap() = None;
}

#[test]
fn a_dropped_cache_is_not_told_any_more() {
    let store = Script::default();
    let cached = watching(&store);
    assert_eq!(store.listeners(), 1);
    drop(cached.clone());
    assert_eq!(store.listeners(), 1);
    drop(cached);
    assert_eq!(store.listeners(), 0);
    store.tell(FeedEvent::Changed(KeyId::from_bytes([1; 16])));
}

/// The whole claim, in small: whatever is untold, no answer outlives its bound.
#[tokio::test(start_paused = true)]
async fn no_answer_outlives_the_bound_however_the_feed_behaves() {
    let bound = SECOND * 5;
    for seed in 0..300_u32 {
        let store = Script::with([1]);
        let cached = watching(&store);
        let mut random = seed;
        let mut next = |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) % below
        };
        let (mut revoked_at, mut told, mut in_step) = (None, false, false);
        for _ in 0..40 {
            advance(Duration::from_millis(next(3_000).into())).await;
            match next(8) {
                0 if !told => {
                    store.tell(FeedEvent::Lost);
                    in_step = false;
                }
                // Only an honest feed proves: it has told what there is.
                1 | 2 if revoked_at.is_none() || told => store.prove(),
                3 if revoked_at.is_none() => {
                    apply(store.keys(), &id(1), &revocation(), &context())
                        .await
                        .unwrap();
                    revoked_at = Some(Instant::now());
                    if in_step {
                        store.tell(FeedEvent::Changed(id(1)));
                        told = true;
                    }
                }
                4 if revoked_at.is_some() && !told => {
                    store.tell(FeedEvent::Reset);
                    store.prove();
                    told = true;
                }
                5 if revoked_at.is_none() || told => {
                    store.tell(FeedEvent::InStep);
                    in_step = true;
                }
                _ => {}
            }
            let answer = find(&cached, 1).await;
            let over = revoked_at.is_some_and(|at: Instant| at.elapsed() >= bound);
            if told || over {
                assert_eq!(answer, "revoked", "seed {seed}");
            }
            if revoked_at.is_none() {
                assert_eq!(answer, "active", "seed {seed}");
            }
        }
    }
}
