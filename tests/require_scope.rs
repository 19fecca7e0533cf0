//! More scopes for one route.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use http::HeaderName;
use http::header::AUTHORIZATION;
use support::answer::Answer;
use support::inner::Probe;
use support::{Notes, get, issue, keys, request, send};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, ServiceBuilder};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::{ConfigErrorKind, KeySource, Refusal};
use tower_api_key::observe::Decision;
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::{ApiKeyLayer, Identity, RequireScope, Scope, ScopeSet};

const REPORTS: Scope = Scope::from_static("reports");

/// Asks for a valid key and nothing more.
fn any_key(_: &RequestHead<'_>) -> Requirement {
    Requirement::Scopes(ScopeSet::new())
}

#[tokio::test]
async fn a_route_asks_for_its_own_scopes() {
    let keys = keys();
    let outer = ApiKeyLayer::new(keys.store().clone()).with_policy(any_key);
    let ask = |held: ScopeSet, asked: ScopeSet| {
        let (keys, outer) = (keys.clone(), outer.clone());
        async move {
            let key = issue(&keys, held).await.key;
            let (probe, seen) = Probe::new();
            let mut service = outer.layer(RequireScope::new(asked).layer(probe));
            let answer = send(&mut service, get(key.expose_secret())).await;
            assert_eq!(seen.calls(), usize::from(answer.status == 200));
            answer
        }
    };
    let both = ScopeSet::from([REPORTS, Scope::WRITE]);
    for (held, asked) in [
        (ScopeSet::new(), ScopeSet::new()),
        (REPORTS.into(), REPORTS.into()),
        (both.clone(), REPORTS.into()),
        (both.clone(), both.clone()),
    ] {
        ask(held, asked).await.assert_allowed();
    }
    // Names are exact, and none implies another.
    for held in [
        Scope::READ,
        REPORTS,
        Scope::from_static("WRITE"),
        Scope::from_static("*"),
    ] {
        let answer = ask(held.into(), Scope::WRITE.into()).await;
        answer.assert_refused(DenialKind::InsufficientScope);
    }
    let answer = ask(Scope::READ.into(), both).await;
    assert_eq!(
        answer.text(),
        r#"{"error":"Forbidden","message":"This action requires the 'write' and 'reports' scopes, which this API key lacks."}"#
    );
    assert_eq!(
        answer.header("www-authenticate"),
        r#"Bearer realm="api", error="insufficient_scope", scope="write reports""#
    );
}

#[tokio::test]
async fn a_request_without_an_identity_is_refused() {
    let keys = keys();
    let (probe, seen) = Probe::new();
    let guard = RequireScope::new([REPORTS]).layer(probe);
    let open = ApiKeyLayer::new(keys.store().clone()).with_insecure_anonymous_access();
    let answer = send(&mut open.layer(guard.clone()), request("GET", &[])).await;
    answer.assert_refused(DenialKind::Missing);
    // On its own, without any layer outside, all but `Vary` is the same.
    let answer = send(&mut guard.clone(), request("GET", &[])).await;
    assert_eq!(
        (answer.status, answer.kind),
        (401, Some(DenialKind::Missing))
    );
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="api""#);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("vary"), "");
    assert_eq!(seen.calls(), 0);
}

#[tokio::test]
async fn the_answer_to_a_refusal_can_be_of_ones_own() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let respond = |refusal: &Refusal<'_>| {
        let mut response = http::Response::new(refusal.message().into_owned().into());
        *response.status_mut() = refusal.status();
        if let Some(challenge) = refusal.challenge() {
            response.headers_mut().insert("www-authenticate", challenge);
        }
        response
    };
    let notes = Notes::default();
    let guard = RequireScope::new([REPORTS])
        .with_realm("reports")
        .unwrap()
        .with_observer(notes.clone())
        .with_responder(respond);
    let outer = ApiKeyLayer::new(keys.store().clone());
    let mut service = outer.layer(guard.layer(Probe::new().0));
    let answer = send(&mut service, get(key.expose_secret())).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.text(),
        "This action requires the 'reports' scope, which this API key lacks."
    );
    assert_eq!(
        answer.header("www-authenticate"),
        r#"Bearer realm="reports", error="insufficient_scope", scope="reports""#
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(notes.take(), ["InsufficientScope"]);
    let error = RequireScope::new([REPORTS]).with_realm("a\nb").unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Realm);
}

/// Even where the outer layer keeps the credential, in a header of its own.
#[tokio::test]
async fn an_observer_of_a_route_sees_no_credential() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let source = KeySource::header(HeaderName::from_static("x-acme-key"));
    let outer = ApiKeyLayer::new(keys.store().clone())
        .with_sources([source, KeySource::BEARER])
        .unwrap()
        .with_insecure_credential_kept();
    let guard = RequireScope::new([REPORTS]).with_observer(|decision: &Decision<'_>| {
        assert_eq!(decision.head().header(&AUTHORIZATION), None);
        let names: Vec<_> = decision
            .head()
            .headers()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["accept"]);
    });
    let (probe, seen) = Probe::new();
    let mut service = outer.layer(guard.layer(probe));
    let bearer = format!("Bearer {}", key.expose_secret());
    let lines = [
        ("x-acme-key", key.expose_secret()),
        ("authorization", &bearer),
        ("accept", "*/*"),
    ];
    let answer = send(&mut service, request("GET", &lines)).await;
    assert_eq!((answer.status, seen.calls()), (403, 0));
}

#[tokio::test]
async fn layers_stack_and_the_service_can_be_cloned() {
    let keys = keys();
    let key = issue(&keys, [Scope::READ, REPORTS]).await.key;
    let (probe, seen) = Probe::new();
    let service = ServiceBuilder::new()
        .layer(ApiKeyLayer::new(keys.store().clone()))
        .layer(RequireScope::new(Scope::READ))
        .layer(RequireScope::new([REPORTS]))
        .service(probe);
    send(&mut service.clone(), get(key.expose_secret()))
        .await
        .assert_allowed();
    send(&mut service.clone(), get(key.expose_secret()))
        .await
        .assert_allowed();
    let identity: Identity = seen.identity().unwrap();
    assert!(identity.has_scope(&REPORTS));
    assert!(format!("{service:?}").contains("ScopeGuard { inner: ScopeGuard { inner: Probe"));
}

/// What `ApiKeyAuth` does on a refusal, the guard of a route must do as well.
#[tokio::test]
async fn a_refused_client_that_stays_connected_holds_no_room() {
    let room = Arc::new(Semaphore::new(1));
    let limited = ConcurrencyLimit::with_semaphore(Probe::new().0, room.clone());
    let mut refused = RequireScope::new([REPORTS]).layer(limited);
    let answer: Answer = send(&mut refused, request("GET", &[])).await;
    assert_eq!((answer.status, room.available_permits()), (401, 1));
}
