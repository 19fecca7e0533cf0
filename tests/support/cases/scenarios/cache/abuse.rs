//! Floods, herds and clients that leave.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use futures::future::join_all;
use futures::poll;
use http::{Request, Response, StatusCode};
use tokio::time::advance;
use tower::{ServiceExt, service_fn};
use tower_api_key::ApiKeyLayer;
use tower_layer::Layer;

use super::far::Far;
use super::kit::{SECOND, cached, earliest_end, just_before, lasting, options, settle};
use crate::scenarios::kit::{get, status};

const OK: StatusCode = StatusCode::OK;

/// A well-formed key that nobody was given.
fn unknown_key(number: usize) -> String {
    format!("tc_{:064x}", number + 1)
}

/// Uses 100 keys every 20 s for two minutes, each with 50 unknown keys or with none; how often they
/// were looked up.
async fn look_ups_of_the_hot_set(flooded: bool) -> usize {
    let far = Far::new();
    let tight = options().with_capacity(100).with_negative_capacity(50);
    let store = cached(&far, tight);
    let layer = ApiKeyLayer::new(store.clone());
    let keys = join_all((0..100).map(|_| far.issue())).await;
    let mut unknown = 0;
    for _ in 0..7 {
        for fresh in &keys {
            assert_eq!(status(&layer, fresh.key.expose_secret()).await, OK);
            for _ in 0..if flooded { 50 } else { 0 } {
                let refused = status(&layer, &unknown_key(unknown)).await;
                assert_eq!(refused, StatusCode::UNAUTHORIZED);
                unknown += 1;
            }
        }
        assert_eq!(store.stats().keys, 100);
        assert!(store.stats().unknown_keys <= 50);
        advance(SECOND * 20).await;
    }
    assert_eq!(far.asked(), far.found() + unknown);
    far.found()
}

#[tokio::test(start_paused = true)]
async fn sc_neg_3_a_flood_of_unknown_keys_drives_out_no_key() {
    // Each is read again when its time to live has passed, and never else.
    assert_eq!(look_ups_of_the_hot_set(false).await, 300);
    assert_eq!(look_ups_of_the_hot_set(true).await, 300);
}

type Pending = Pin<Box<dyn Future<Output = StatusCode> + Send>>;

/// A request that is polled by nobody else.
fn request(layer: &ApiKeyLayer, key: &str) -> Pending {
    let inner = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::from("inner-ok")))
    });
    let sent = layer.layer(inner).oneshot(get(Some(key)));
    Box::pin(async move {
        let Ok(response) = sent.await;
        response.status()
    })
}

/// Requests that have all been polled, and all wait for the store.
async fn waiting(layer: &ApiKeyLayer, key: &str, count: usize) -> Vec<Pending> {
    let mut requests: Vec<_> = (0..count).map(|_| request(layer, key)).collect();
    for request in &mut requests {
        assert!(poll!(request).is_pending());
    }
    settle().await;
    requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sc_neg_4_a_herd_makes_one_look_up() {
    let far = Far::new();
    let layer = ApiKeyLayer::new(cached(&far, lasting()));
    let fresh = far.issue().await;
    let gates = far.hold();
    let herd = waiting(&layer, fresh.key.expose_secret(), 1_000).await;
    let herd: Vec<_> = herd.into_iter().map(tokio::spawn).collect();
    gates.before.add_permits(1_000);
    gates.after.add_permits(1_000);
    for one in herd {
        assert_eq!(one.await.unwrap(), OK);
    }
    assert_eq!(far.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn sc_neg_5_whoever_waits_is_answered_though_the_first_has_left() {
    for leaves_after_the_read in [false, true] {
        let far = Far::new();
        let store = cached(&far, options());
        let layer = ApiKeyLayer::new(store.clone());
        let fresh = far.issue().await;
        let gates = far.hold();
        let mut all = waiting(&layer, fresh.key.expose_secret(), 10).await;
        if leaves_after_the_read {
            gates.before.add_permits(1);
            settle().await;
        }
        drop(all.remove(0));
        settle().await;
        for other in &mut all {
            assert!(poll!(other).is_pending());
        }
        gates.before.add_permits(1);
        gates.after.add_permits(1);
        assert_eq!(join_all(all).await, [OK; 9]);
        assert_eq!((far.asked(), store.stats().under_way), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn sc_neg_5_when_all_have_left_the_next_is_answered() {
    let far = Far::new();
    let store = cached(&far, options());
    let layer = ApiKeyLayer::new(store.clone());
    let fresh = far.issue().await;
    let gates = far.hold();
    drop(waiting(&layer, fresh.key.expose_secret(), 10).await);
    let next = waiting(&layer, fresh.key.expose_secret(), 1).await;
    gates.before.add_permits(1);
    gates.after.add_permits(1);
    assert_eq!(join_all(next).await, [OK]);
    assert_eq!((far.asked(), store.stats().under_way), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn sc_neg_7_a_panic_of_the_store_answers_all_who_wait() {
    let far = Far::new();
    let store = cached(&far, options());
    let layer = ApiKeyLayer::new(store.clone());
    let fresh = far.issue().await;
    let key = fresh.key.expose_secret();
    let gates = far.hold();
    let all = waiting(&layer, key, 10).await;
    far.panic(true);
    gates.before.add_permits(1);
    assert_eq!(join_all(all).await, [StatusCode::SERVICE_UNAVAILABLE; 10]);
    assert_eq!((far.asked(), store.stats().under_way), (1, 0));

    far.panic(false);
    far.let_go();
    assert_eq!((status(&layer, key).await, far.asked()), (OK, 2));
}

/// Uses 1,000 keys at once, and then every tenth of a second; how many are read again in each.
async fn refreshes() -> Vec<(Duration, usize)> {
    let tenth = SECOND / 10;
    let far = Far::new();
    let layer = ApiKeyLayer::new(cached(&far, options()));
    let keys = join_all((0..1_000).map(|_| far.issue())).await;
    let use_all = async || {
        let before = far.asked();
        for fresh in &keys {
            assert_eq!(status(&layer, fresh.key.expose_secret()).await, OK);
        }
        far.asked() - before
    };
    assert_eq!(use_all().await, 1_000);
    let mut refreshes = Vec::new();
    let begins = earliest_end(SECOND * 60);
    advance(just_before(begins)).await;
    assert_eq!(use_all().await, 0);
    advance(SECOND / 1_000).await;
    let mut elapsed = begins;
    while elapsed <= SECOND * 60 {
        refreshes.push((elapsed, use_all().await));
        advance(tenth).await;
        elapsed += tenth;
    }
    refreshes
}

#[tokio::test(start_paused = true)]
async fn sc_neg_8_what_was_read_together_is_not_read_again_together() {
    // In the last tenth of the minute.
    let spread = refreshes().await;
    assert_eq!(spread.first().unwrap().0, SECOND * 54);
    assert_eq!(spread.iter().map(|(_, count)| count).sum::<usize>(), 1_000);
    for (elapsed, count) in spread {
        // 17 on average; by chance, more than 60 in any has odds below 1e-12.
        assert!(count <= 60, "{count} keys are read again after {elapsed:?}");
    }
}
