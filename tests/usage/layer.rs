//! What a layer counts.

use futures::{FutureExt as _, poll};
use jiff::Timestamp;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::Refusal;
use tower_api_key::store::KeyUse;
use tower_api_key::usage::{UsageFlusher, UsageFlusherOptions, UsageMonitor};
use tower_api_key::{ApiKeyLayer, KeyStore, RequireScope, Scope};

use crate::kit::{Desk, INTERVAL, Mode, Scene, in_uses};
use crate::support::inner::Probe;
use crate::support::stores::{Fixed, Gated, Yielding};
use crate::support::{Answered, Sent, UNKNOWN, get, issue, keys, request, request_to, send};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn counting(store: impl KeyStore + 'static) -> (ApiKeyLayer, UsageMonitor) {
    let monitor = UsageMonitor::new();
    let layer = ApiKeyLayer::new(store).with_usage(monitor.clone());
    (layer, monitor)
}

#[tokio::test]
async fn every_decision_counts_once_with_or_without_a_wait() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let (id, key) = (issued.record.id(), issued.key.expose_secret());
    let revoked = issue(&keys, Scope::READ).await;
    keys.revoke(&revoked.record.id(), "leaked").await.unwrap();
    let store = keys.store().clone();
    for (layer, monitor) in [counting(store.clone()), counting(Yielding(store))] {
        let layer = layer.with_public_path("/health").unwrap();
        let mut service = layer.with_preflight_allowed().layer(Probe::new().0);
        let lines = [("x-api-key", key)];
        let preflight = [("origin", "x"), ("access-control-request-method", "PUT")];
        for (request, status) in [
            (get(key), 200),
            (get(key), 200),
            (request("POST", &lines), 403),
            (request("BREW", &lines), 403),
            (request("GET", &[]), 401),
            (get("tc_x"), 401),
            (get(UNKNOWN), 401),
            (get(revoked.key.expose_secret()), 401),
            (request_to("GET", "/health", &[]), 200),
            (request("OPTIONS", &preflight), 200),
        ] {
            assert_eq!(send(&mut service, request).await.status, status);
        }
        let expected = KeyUse::new(id, 1, AT).with_allowed(2).with_refused(2);
        let expected = expected.with_exercised(Scope::READ);
        assert_eq!(monitor.drain(AT), [expected]);
        let stats = monitor.stats();
        for kind in [
            DenialKind::Missing,
            DenialKind::Malformed,
            DenialKind::Unknown,
            DenialKind::Revoked,
        ] {
            assert_eq!(stats.refused(kind), 1, "{kind:?}");
        }
        assert_eq!((stats.all_refused(), stats.passed_without_key()), (4, 2));
        // Nothing of what was sent is kept.
        assert!(!format!("{monitor:?} {stats:?}").contains(&UNKNOWN[3..]));
    }
    let (layer, monitor) = counting(Fixed::FailsLater);
    let answer = send(&mut layer.layer(Probe::new().0), get(key)).await;
    answer.assert_refused(DenialKind::StoreFailed);
    assert_eq!(monitor.stats().refused(DenialKind::StoreFailed), 1);
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_waits_does_not_count() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let store = Gated::new(keys.store().clone());
    let (layer, monitor) = counting(store.clone());
    let mut service = layer.layer(Probe::new().0);
    let call = service.ready().await.unwrap();
    let mut waiting = Box::pin(call.call(get(issued.key.expose_secret())));
    assert!(poll!(&mut waiting).is_pending());
    drop(waiting);
    assert_eq!(monitor.drain(AT), []);
    store.let_through(1);
    let answer = send(&mut service, get(issued.key.expose_secret())).await;
    answer.assert_allowed();
    assert_eq!(in_uses(&monitor.drain(AT)), (1, 0));
}

/// With a store that answers at once, and one that waits.
#[tokio::test]
async fn a_request_that_a_route_denies_counts_once_as_denied() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let key = issued.key.expose_secret();
    let store = keys.store().clone();
    for (layer, monitor) in [counting(store.clone()), counting(Yielding(store))] {
        let layer = layer.with_insecure_anonymous_access();
        let route = RequireScope::new(Scope::WRITE).layer(Probe::new().0);
        let mut service = layer.layer(route);
        assert_eq!(send(&mut service, get(key)).await.status, 403);
        // Nor did it exercise a scope.
        let denied = KeyUse::new(issued.record.id(), 1, AT).with_refused(1);
        assert_eq!(monitor.drain(AT), [denied]);
        assert_eq!(send(&mut service, request("GET", &[])).await.status, 401);
        let stats = monitor.stats();
        assert_eq!((stats.all_refused(), stats.passed_without_key()), (1, 0));
        assert_eq!(monitor.drain(AT), []);
        // A route that asks for nothing more changes nothing.
        let mut service = layer.layer(RequireScope::new(Scope::READ).layer(Probe::new().0));
        send(&mut service, get(key)).await.assert_allowed();
        assert_eq!(in_uses(&monitor.drain(AT)), (1, 0));
    }
}

/// The panic of a responder is the server's to contain.
#[tokio::test]
async fn a_responder_that_panics_counts_nothing_twice() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let (layer, monitor) = counting(keys.store().clone());
    let panics = |_: &Refusal<'_>| -> Answered { panic!("as the test wants") };
    let route = RequireScope::new(Scope::WRITE).layer(Probe::new().0);
    let service = layer.with_responder(panics).layer(route);
    let answer = service.oneshot(get(issued.key.expose_secret()));
    let panicked = std::panic::AssertUnwindSafe(answer).catch_unwind().await;
    assert!(panicked.is_err());
    let denied = KeyUse::new(issued.record.id(), 1, AT).with_refused(1);
    assert_eq!(monitor.drain(AT), [denied]);
}

/// The inner service was called.
#[tokio::test]
async fn a_request_whose_response_nobody_waits_for_counts_as_allowed() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let (layer, monitor) = counting(keys.store().clone());
    let inner = service_fn(|request: Sent| async move {
        if request.uri().path() == "/fails" {
            return Err("failed");
        }
        std::future::pending::<Result<Answered, &str>>().await
    });
    let lines = [("x-api-key", issued.key.expose_secret())];
    let mut service = layer.layer(inner);
    let mut waiting = Box::pin(service.call(request_to("GET", "/", &lines)));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(monitor.drain(AT), []);
    drop(waiting);
    assert_eq!(in_uses(&monitor.drain(AT)), (1, 0));
    let failed = service.call(request_to("GET", "/fails", &lines)).await;
    assert_eq!(failed.unwrap_err(), "failed");
    assert_eq!(in_uses(&monitor.drain(AT)), (1, 0));
}

/// The writer of usage is down, and then it never answers.
#[tokio::test(start_paused = true)]
async fn sc_out_8_requests_pass_while_usage_cannot_be_written_and_drops_are_counted() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let other = issue(&keys, Scope::READ).await;
    let desk = Desk::new(keys.store().clone());
    let (layer, monitor) = counting(keys.store().clone());
    let options = UsageFlusherOptions::new().with_max_waiting(1);
    let flusher = UsageFlusher::spawn(monitor.clone(), desk.clone(), options).unwrap();
    let mut service = layer.layer(Probe::new().0);
    for mode in [Mode::Fails, Mode::Hangs, Mode::Panics] {
        desk.set(mode);
        for _ in 0..3 {
            let began = tokio::time::Instant::now();
            let answer = send(&mut service, get(issued.key.expose_secret())).await;
            answer.assert_allowed();
            assert_eq!(began.elapsed(), std::time::Duration::ZERO);
            tokio::time::sleep(INTERVAL).await;
        }
    }
    // One record is being written, and one counts the same key meanwhile.
    assert_eq!(flusher.stats().waiting, 2);
    let dropped = monitor.stats().dropped();
    // There is room for one sum.
    for _ in 0..4 {
        send(&mut service, get(other.key.expose_secret()))
            .await
            .assert_allowed();
    }
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(monitor.stats().dropped(), dropped + 4);
}

#[tokio::test(start_paused = true)]
async fn what_a_layer_counts_gets_to_the_store() {
    let scene = Scene::new(|options| options).await;
    let issued = issue(&scene.keys, Scope::READ).await;
    let layer = ApiKeyLayer::new(scene.keys.store().clone()).with_usage(scene.monitor.clone());
    let mut service = layer.layer(Probe::new().0);
    for _ in 0..7 {
        send(&mut service, get(issued.key.expose_secret()))
            .await
            .assert_allowed();
    }
    scene.flusher.shutdown().await.unwrap();
    let counted = crate::kit::counted(scene.keys.store(), issued.record.id()).await;
    assert_eq!(counted, (7, 0));
}
