//! A store, a policy or an observer that panics: the request is denied with 503.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use support::inner::Probe;
use support::stores::{Panics, Place, Yielding};
use support::{Keys, Notes, UNKNOWN, get, issue, keys, request, send};
use tower::Layer;
use tower_api_key::denial::DenialKind;
use tower_api_key::observe::{Decision, Observer};
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::usage::UsageMonitor;
use tower_api_key::{ApiKeyLayer, RequireScope, Scope};

/// Layers whose store answers at once, and whose store waits.
fn layers(keys: &Keys) -> [ApiKeyLayer; 2] {
    let store = keys.store().clone();
    [
        ApiKeyLayer::new(store.clone()),
        ApiKeyLayer::new(Yielding(store)),
    ]
}

/// Panics when it is told of what this is true of; counts what it is told.
fn observer(panics: fn(&Decision<'_>) -> bool) -> (impl Observer, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let counted = told.clone();
    let observer = move |decision: &Decision<'_>| {
        counted.fetch_add(1, Ordering::SeqCst);
        assert!(!panics(decision), "an observer panics");
    };
    (observer, told)
}

/// Panics on one path.
fn policy(head: &RequestHead<'_>) -> Requirement {
    assert!(head.method() != "PUT", "a policy panics");
    Requirement::from(Scope::READ)
}

#[tokio::test]
async fn a_store_that_panics_denies() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    for place in Place::ALL {
        let (probe, seen) = Probe::new();
        let (notes, usage) = (Notes::default(), UsageMonitor::new());
        let mut service = ApiKeyLayer::new(Panics::new(keys.store().clone(), place))
            .with_observer(notes.clone())
            .with_usage(usage.clone())
            .layer(probe);
        let answer = send(&mut service, get(key.expose_secret())).await;
        answer.assert_refused(DenialKind::Panicked);
        assert_eq!(
            (notes.take(), seen.calls()),
            (vec!["Panicked".to_owned()], 0)
        );
        assert_eq!(usage.stats().refused(DenialKind::Panicked), 1);
    }
}

#[tokio::test]
async fn a_policy_that_panics_denies_and_the_service_stays_usable() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let key = issued.key.expose_secret();
    for layer in layers(&keys) {
        let (probe, seen) = Probe::new();
        let (notes, usage) = (Notes::default(), UsageMonitor::new());
        let layer = layer.with_policy(policy).with_usage(usage.clone());
        let mut service = layer.with_observer(notes.clone()).layer(probe);
        let lines = [("x-api-key", key)];
        for _ in 0..2 {
            let answer = send(&mut service, request("PUT", &lines)).await;
            answer.assert_refused(DenialKind::Panicked);
        }
        assert_eq!(
            (notes.take(), seen.calls()),
            (vec!["Panicked".to_owned(); 2], 0)
        );
        assert_eq!(usage.stats().refused(DenialKind::Panicked), 2);
        assert_eq!(usage.drain(Timestamp::UNIX_EPOCH), []);
        send(&mut service, get(key)).await.assert_allowed();
    }
}

/// It may have been meant to write down who comes in.
#[tokio::test]
async fn an_observer_that_panics_on_an_allowed_request_denies_it() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    for layer in layers(&keys) {
        let layer = layer.with_public_path("/health").unwrap();
        let (probe, seen) = Probe::new();
        let usage = UsageMonitor::new();
        let (observer, told) = observer(|decision| decision.denial().is_none());
        let layer = layer.with_observer(observer).with_usage(usage.clone());
        let mut service = layer.layer(probe);
        for request in [
            get(key.expose_secret()),
            support::request_to("GET", "/health", &[]),
        ] {
            let answer = send(&mut service, request).await;
            answer.assert_refused(DenialKind::Panicked);
        }
        // It is told what has become of the request.
        assert_eq!((told.load(Ordering::SeqCst), seen.calls()), (4, 0));
        let stats = usage.stats();
        assert_eq!(
            (
                stats.refused(DenialKind::Panicked),
                stats.passed_without_key()
            ),
            (2, 0)
        );
        assert_eq!(usage.drain(Timestamp::UNIX_EPOCH), []);
        send(&mut service, get(UNKNOWN))
            .await
            .assert_refused(DenialKind::Unknown);
    }
}

#[tokio::test]
async fn an_observer_that_panics_on_a_denial_is_503_too() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    for layer in layers(&keys) {
        let (probe, seen) = Probe::new();
        let usage = UsageMonitor::new();
        let (observer, told) = observer(|decision| decision.denial().is_some());
        let layer = layer.with_observer(observer).with_usage(usage.clone());
        let mut service = layer.layer(RequireScope::new(Scope::WRITE).layer(probe));
        for (request, calls) in [
            (get("x"), 1),
            (get(UNKNOWN), 2),
            (request("BREW", &[("x-api-key", key.expose_secret())]), 3),
            // Allowed, and then denied by the route.
            (get(key.expose_secret()), 5),
        ] {
            let answer = send(&mut service, request).await;
            answer.assert_refused(DenialKind::Panicked);
            assert_eq!(told.load(Ordering::SeqCst), calls);
        }
        assert_eq!((usage.stats().all_refused(), seen.calls()), (4, 0));
        assert_eq!(usage.drain(Timestamp::UNIX_EPOCH), []);
    }
}
