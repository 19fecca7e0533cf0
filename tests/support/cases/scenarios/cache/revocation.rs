//! How long a cache lets a revoked key in: by the clock, and in a race with a look-up.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use tokio::time::advance;
use tower_api_key::clock::ManualClock;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyId, KeyRecord};
use tower_api_key::store::{
    CachedStore, ChangeFeed, FeedEvent, FeedListener, KeyStore, StoreError,
};
use tower_api_key::{ApiKeyLayer, Denial, KeyManager, MemoryStore};

use super::far::Far;
use super::kit::{
    MOMENT, SECOND, begin, cached, earliest_end, just_before, lasting, options, settle, watching,
};
use crate::scenarios::kit::{answer, doc_text, new_key, status};

const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

#[tokio::test(start_paused = true)]
async fn sc_rev_2_an_untold_revocation_counts_after_the_time_to_live() {
    let half = SECOND / 2;
    for (options, longest) in [
        (options(), SECOND * 60),
        (options().with_time_to_live(half), half),
        (options().with_time_to_live(SECOND * 3_600), SECOND * 3_600),
    ] {
        let far = Far::new();
        let layer = ApiKeyLayer::new(cached(&far, options));
        let fresh = far.issue().await;
        let key = fresh.key.expose_secret();
        assert_eq!(status(&layer, key).await, OK);
        far.keys()
            .revoke(&fresh.record.id(), "leaked")
            .await
            .unwrap();

        // Uses meanwhile do not prolong it.
        advance(longest / 2).await;
        assert_eq!(status(&layer, key).await, OK);
        let earliest = just_before(earliest_end(longest));
        advance(earliest.saturating_sub(longest / 2)).await;
        assert_eq!(status(&layer, key).await, OK);
        advance(longest.saturating_sub(earliest)).await;
        assert_eq!(status(&layer, key).await, UNAUTHORIZED);
    }
}

#[tokio::test(start_paused = true)]
async fn sc_rev_2_without_a_time_to_live_nothing_is_remembered() {
    let far = Far::new();
    let none = options().with_time_to_live(Duration::ZERO);
    let layer = ApiKeyLayer::new(cached(&far, none));
    let fresh = far.issue().await;
    let key = fresh.key.expose_secret();
    for uses in 1..=3 {
        assert_eq!((status(&layer, key).await, far.asked()), (OK, uses));
    }
    far.keys()
        .revoke(&fresh.record.id(), "leaked")
        .await
        .unwrap();
    assert_eq!(status(&layer, key).await, UNAUTHORIZED);
}

#[test]
fn sc_rev_2_the_longest_delay_is_documented() {
    let docs = doc_text(include_str!("../../../../../src/store/cached/options.rs"));
    assert!(docs.contains(
        "Answers with a record for at most so long after it was read. Default: 60 s. Without a \
         feed, this is how long a key that was revoked elsewhere may still be let in. Zero means \
         that no record is remembered."
    ));
    let docs = doc_text(include_str!("../../../../../src/store/cached/store.rs"));
    assert!(docs.contains("# How long a revoked key may still be let in"));
}

/// The steps of a look-up and of a revocation. Each comes after the one before it of its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Read,
    Insert,
    Revoke,
    Forget,
}

/// Every order of a look-up's three steps and a revocation's two: ten.
fn orders() -> Vec<Vec<Step>> {
    fn merge(look_up: &[Step], revocation: &[Step]) -> Vec<Vec<Step>> {
        if look_up.is_empty() || revocation.is_empty() {
            return vec![[look_up, revocation].concat()];
        }
        let first = |step: Step, rest: Vec<Vec<Step>>| {
            rest.into_iter()
                .map(move |rest| [vec![step], rest].concat())
        };
        let look_up_first = first(look_up[0], merge(&look_up[1..], revocation));
        let other_first = first(revocation[0], merge(look_up, &revocation[1..]));
        look_up_first.chain(other_first).collect()
    }
    merge(
        &[Step::Begin, Step::Read, Step::Insert],
        &[Step::Revoke, Step::Forget],
    )
}

/// What makes a cache forget a key.
#[derive(Clone, Copy, Debug)]
enum Cause {
    Told,
    Reset,
    Invalidated,
    Cleared,
}

impl Cause {
    const ALL: [Self; 4] = [Self::Told, Self::Reset, Self::Invalidated, Self::Cleared];

    fn strike(self, far: &Far, cached: &CachedStore<Far>, id: KeyId) {
        match self {
            Self::Told => far.tell(FeedEvent::Changed(id)),
            Self::Reset => far.tell(FeedEvent::Reset),
            Self::Invalidated => cached.invalidate(&id),
            Self::Cleared => cached.clear(),
        }
    }
}

/// Goes through one order; `asks`: another request comes as soon as the cache has forgotten.
async fn race(order: &[Step], cause: Cause, asks: bool) {
    let far = Far::new();
    let cached = watching(&far, options());
    far.tell(FeedEvent::InStep);
    let layer = ApiKeyLayer::new(cached.clone());
    let fresh = far.issue().await;
    let (id, key) = (fresh.record.id(), fresh.key.expose_secret());
    let gates = far.hold();
    let mut early = None;
    for step in order {
        match step {
            Step::Begin => {
                early = Some(begin(&layer, key).await);
                // Others do not wait.
                far.let_go();
            }
            Step::Read => gates.before.add_permits(1),
            Step::Insert => gates.after.add_permits(1),
            Step::Revoke => drop(far.keys().revoke(&id, "leaked").await.unwrap()),
            Step::Forget => {
                cause.strike(&far, &cached, id);
                let began = early.is_some();
                if asks && began {
                    assert_eq!(
                        status(&layer, key).await,
                        UNAUTHORIZED,
                        "{order:?} {cause:?}"
                    );
                }
            }
        }
        settle().await;
    }
    let at = |wanted| order.iter().position(|step| *step == wanted);
    let read_before = at(Step::Read) < at(Step::Revoke);
    let expected = if read_before { OK } else { UNAUTHORIZED };
    assert_eq!(early.unwrap().await.unwrap(), expected, "{order:?}");

    let digest = fresh.record.secret_versions()[0].digest();
    let held = cached.try_find(digest).transpose().unwrap().flatten();
    assert!(
        held.is_none_or(|record| record.revocation().is_some()),
        "a stale record is held after {order:?} {cause:?} {asks}"
    );
    assert_eq!(
        status(&layer, key).await,
        UNAUTHORIZED,
        "{order:?} {cause:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn sc_rev_7_no_look_up_puts_back_what_was_revoked_meanwhile() {
    let orders = orders();
    assert_eq!(orders.len(), 10);
    for order in &orders {
        for cause in Cause::ALL {
            for asks in [false, true] {
                race(order, cause, asks).await;
            }
        }
    }
}

/// The same race between threads, which nothing holds back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sc_rev_7_threads_that_race_with_a_revocation_do_not_undo_it() {
    let store = MemoryStore::new();
    let cached = CachedStore::watching(Yields(store.clone()), lasting()).unwrap();
    let layer = ApiKeyLayer::new(cached);
    let keys = KeyManager::new(store);
    for _ in 0..300 {
        let fresh = keys.issue(new_key()).await.unwrap();
        let key = fresh.key.expose_secret();
        let requests: Vec<_> = (0..3)
            .map(|_| {
                let (layer, key) = (layer.clone(), key.to_owned());
                tokio::spawn(async move { status(&layer, &key).await })
            })
            .collect();
        tokio::task::yield_now().await;
        keys.revoke(&fresh.record.id(), "leaked").await.unwrap();
        assert_eq!(status(&layer, key).await, UNAUTHORIZED);
        for request in requests {
            request.await.unwrap();
        }
        assert_eq!(status(&layer, key).await, UNAUTHORIZED);
    }
}

/// Answers after a turn of the runtime; never without waiting.
struct Yields(MemoryStore);

#[async_trait]
impl KeyStore for Yields {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let found = self.0.find(digest).await;
        tokio::task::yield_now().await;
        found
    }
}

impl ChangeFeed for Yields {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.0.watch(listener);
    }
}

#[tokio::test(start_paused = true)]
async fn sc_clk_3_a_step_of_the_wall_clock_moves_no_time_to_live() {
    let clock = ManualClock::at("2026-03-01T12:00:00Z".parse().unwrap());
    let keys = KeyManager::new(MemoryStore::new()).with_clock(clock.clone());
    let far = Far::with(keys);
    let layer = ApiKeyLayer::new(cached(&far, options())).with_clock(clock.clone());
    let fresh = far.issue().await;
    let key = fresh.key.expose_secret();
    assert_eq!((status(&layer, key).await, far.asked()), (OK, 1));

    let day = SECOND * 86_400;
    clock.advance(day * 365);
    assert_eq!((status(&layer, key).await, far.asked()), (OK, 1));
    clock.step_back(day * 730);
    assert_eq!((status(&layer, key).await, far.asked()), (OK, 1));
    let earliest = just_before(earliest_end(SECOND * 60));
    advance(earliest).await;
    assert_eq!((status(&layer, key).await, far.asked()), (OK, 1));
    advance((SECOND * 60).saturating_sub(earliest)).await;
    assert_eq!((status(&layer, key).await, far.asked()), (OK, 2));
}

#[tokio::test(start_paused = true)]
async fn sc_clk_3_a_remembered_key_expires_by_the_wall_clock() {
    let clock = ManualClock::at("2026-03-01T12:00:00Z".parse().unwrap());
    let keys = KeyManager::new(MemoryStore::new()).with_clock(clock.clone());
    let far = Far::with(keys);
    let layer = ApiKeyLayer::new(cached(&far, options())).with_clock(clock.clone());
    let new = new_key().expires_in(SECOND * 10);
    let key = far.keys().issue(new).await.unwrap().key;
    let key = key.expose_secret();
    assert_eq!(status(&layer, key).await, OK);
    advance(SECOND * 3_600).await;
    assert_eq!((status(&layer, key).await, far.asked()), (OK, 2));
    clock.advance(just_before(SECOND * 10));
    assert_eq!(status(&layer, key).await, OK);
    clock.advance(MOMENT);
    let response = answer(&layer, Some(key)).await;
    assert_eq!(response.status(), UNAUTHORIZED);
    let denial = response.extensions().get::<Denial>().unwrap();
    assert_eq!(denial.kind(), DenialKind::Expired);
    assert_eq!(far.asked(), 2, "it is still remembered");
}

#[test]
fn sc_clk_3_the_cache_reads_no_wall_clock() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/cached");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        for clock in ["SystemTime", "Timestamp::now", "crate::clock"] {
            assert!(!source.contains(clock), "{}: {clock}", path.display());
        }
        files += 1;
    }
    assert!(files > 5, "expected the files of the cache, found {files}");
}
