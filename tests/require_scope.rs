//! More scopes for one route.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Version};
use support::answer::Answer;
use support::inner::Probe;
use support::stores::Yielding;
use support::{Answered, Notes, get, issue, keys, request, send};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::{KeySource, Refusal};
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
    // On its own, without any layer outside, it is plain.
    let answer = send(&mut guard.clone(), request("GET", &[])).await;
    assert_eq!(
        (answer.status, answer.text(), answer.kind),
        (401, "", Some(DenialKind::Missing))
    );
    let challenge = ("www-authenticate", r#"Bearer realm="api""#);
    assert_eq!(
        answer.all_headers(),
        [challenge].map(|(n, v)| (n.into(), v.into()))
    );
    assert_eq!(seen.calls(), 0);
}

#[tokio::test]
async fn the_layer_outside_answers_by_its_own_responder_and_tells_its_observer() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let respond = |refusal: &Refusal<'_>| {
        assert_eq!(refusal.head().uri().path(), "/items");
        let mut response = http::Response::new(refusal.message().into_owned().into());
        *response.status_mut() = refusal.status();
        response
    };
    let notes = Notes::default();
    let store = keys.store().clone();
    for layer in [
        ApiKeyLayer::new(store.clone()),
        ApiKeyLayer::new(Yielding(store)),
    ] {
        let outer = layer
            .with_realm("shop")
            .unwrap()
            .with_observer(notes.clone())
            .with_responder(respond);
        let mut service = outer.layer(RequireScope::new([REPORTS]).layer(Probe::new().0));
        let answer = send(&mut service, get(key.expose_secret())).await;
        assert_eq!(
            (answer.status, answer.text(), answer.kind),
            (
                403,
                "This action requires the 'reports' scope, which this API key lacks.",
                Some(DenialKind::InsufficientScope)
            )
        );
        let expected = [
            ("cache-control", "no-store"),
            ("vary", "X-API-Key, Authorization"),
            (
                "www-authenticate",
                r#"Bearer realm="shop", error="insufficient_scope", scope="reports""#,
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(answer.all_headers(), expected);
        // The layer allowed it, and then the route denied it.
        assert_eq!(notes.take(), ["key of acct_42", "InsufficientScope"]);
    }
}

const OF_THE_BODY: [&str; 5] = [
    "content-length",
    "content-encoding",
    "content-range",
    "etag",
    "transfer-encoding",
];

/// A layer in between has seen the response too, and may have added to it.
#[tokio::test]
async fn what_layers_in_between_have_added_stays() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let added = |mut response: Answered| {
        let headers = response.headers_mut();
        headers.insert("x-request-id", HeaderValue::from_static("7"));
        headers.insert("vary", HeaderValue::from_static("Origin"));
        // What describes the empty body does not describe that of the layer.
        for name in OF_THE_BODY {
            headers.insert(name, HeaderValue::from_static("0"));
        }
        response.extensions_mut().insert(7_u8);
        response
    };
    let service = ServiceBuilder::new()
        .layer(ApiKeyLayer::new(keys.store().clone()))
        .map_response(added)
        .layer(RequireScope::new([REPORTS]))
        .service(Probe::new().0);
    let response = service.oneshot(get(key.expose_secret())).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&7_u8));
    let answer = Answer::of(response).await;
    assert_eq!(
        (answer.status, answer.kind),
        (403, Some(DenialKind::InsufficientScope))
    );
    assert!(answer.text().contains("'reports'"));
    assert_eq!(answer.header("x-request-id"), "7");
    assert_eq!(answer.header("vary"), "Origin, X-API-Key, Authorization");
    for name in OF_THE_BODY {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn of_two_layers_the_outermost_answers() {
    let keys = keys();
    let inner = ApiKeyLayer::new(keys.store().clone()).with_insecure_anonymous_access();
    let outer = inner.clone().with_realm("outer").unwrap();
    let guard = RequireScope::new([REPORTS]).layer(Probe::new().0);
    let mut service = outer.layer(inner.layer(guard));
    let answer = send(&mut service, request("GET", &[])).await;
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="outer""#);
    assert_eq!(
        (answer.status, answer.kind),
        (401, Some(DenialKind::Missing))
    );
}

#[tokio::test]
async fn a_grpc_request_is_denied_in_grpc_by_the_layer_outside() {
    let keys = keys();
    let key = issue(&keys, Scope::WRITE).await.key;
    let outer = ApiKeyLayer::new(keys.store().clone()).with_grpc();
    let mut service = outer.layer(RequireScope::new([REPORTS]).layer(Probe::new().0));
    let lines = [
        ("x-api-key", key.expose_secret()),
        ("content-type", "application/grpc"),
    ];
    for (version, status, grpc_status) in [(Version::HTTP_2, 200, "7"), (Version::HTTP_11, 403, "")]
    {
        let mut request = request("POST", &lines);
        *request.version_mut() = version;
        let answer = send(&mut service, request).await;
        assert_eq!(
            (answer.status, &*answer.header("grpc-status")),
            (status, grpc_status)
        );
    }
}

/// Even where the layer keeps the credential, in a header of its own.
#[tokio::test]
async fn no_observer_or_responder_of_a_routes_denial_sees_a_credential() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let source = KeySource::header(HeaderName::from_static("x-acme-key"));
    let names = |head: &RequestHead<'_>| -> Vec<_> {
        assert_eq!(head.header(&AUTHORIZATION), None);
        head.headers().map(|(name, _)| name.to_string()).collect()
    };
    let outer = ApiKeyLayer::new(keys.store().clone())
        .with_sources([source, KeySource::BEARER])
        .unwrap()
        .with_insecure_credential_kept()
        .with_observer(move |decision: &Decision<'_>| {
            assert_eq!(names(decision.head()), ["accept"]);
        })
        .with_responder(move |refusal: &Refusal<'_>| {
            assert_eq!(names(refusal.head()), ["accept"]);
            let mut response = http::Response::new(bytes::Bytes::new().into());
            *response.status_mut() = refusal.status();
            response
        });
    let (probe, seen) = Probe::new();
    let mut service = outer.layer(RequireScope::new([REPORTS]).layer(probe));
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
