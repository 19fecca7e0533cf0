//! Every decision reaches the observer, with its exact reason.

use std::sync::{Arc, Mutex};

use http::Response;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use tower::Layer;
use tower_api_key::clock::ManualClock;
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::{KeySource, Refusal};
use tower_api_key::observe::Decision;
use tower_api_key::record::KeyUpdate;
use tower_api_key::{ApiKeyLayer, KeyStore, NewKey, Scope};

use super::support::inner::Probe;
use super::support::stores::{Fixed, Panics, Place, Yielding};
use super::support::{Notes, START, UNKNOWN, get, issue, request, request_to, send, timed_keys};

/// A layer with that store whose decisions are noted.
fn noted(store: impl KeyStore + 'static, clock: &ManualClock) -> (ApiKeyLayer, Notes) {
    let notes = Notes::default();
    let layer = ApiKeyLayer::new(store)
        .with_clock(clock.clone())
        .with_observer(notes.clone());
    (layer, notes)
}

#[tokio::test]
async fn every_kind_of_denial_is_observed_and_answered() {
    let (keys, clock) = timed_keys();
    let valid = issue(&keys, Scope::READ).await;
    let revoked = issue(&keys, Scope::READ).await;
    keys.revoke(&revoked.record.id(), "leaked").await.unwrap();
    let disabled = issue(&keys, Scope::READ).await;
    keys.disable(&disabled.record.id()).await.unwrap();
    let superseded = issue(&keys, Scope::READ).await;
    keys.rotate(&superseded.record.id(), std::time::Duration::ZERO)
        .await
        .unwrap();
    let new = NewKey::new("acct_42", "CI").expires_in(std::time::Duration::from_secs(1));
    let expired = keys.issue(new).await.unwrap();
    clock.advance(std::time::Duration::from_secs(1));
    let unset = ManualClock::at("1969-12-31T23:59:59Z".parse().unwrap());

    let quick = keys.store().clone();
    let slow = Yielding(quick.clone());
    let key = valid.key.expose_secret();
    let bearer_unknown = format!("Bearer {UNKNOWN}");
    let conflicting = [("x-api-key", key), ("authorization", &*bearer_unknown)];
    for (layer, notes) in [noted(quick, &clock), noted(slow.clone(), &clock)] {
        let (probe, seen) = Probe::new();
        let mut service = layer.layer(probe);
        for (request, kind) in [
            (request("GET", &[]), DenialKind::Missing),
            (get("a,b"), DenialKind::Ambiguous),
            (request("GET", &conflicting), DenialKind::Conflicting),
            (get("tc_x"), DenialKind::Malformed),
            (get(UNKNOWN), DenialKind::Unknown),
            (get(revoked.key.expose_secret()), DenialKind::Revoked),
            (get(disabled.key.expose_secret()), DenialKind::Disabled),
            (get(expired.key.expose_secret()), DenialKind::Expired),
            (get(superseded.key.expose_secret()), DenialKind::Superseded),
            (
                request("POST", &[("x-api-key", key)]),
                DenialKind::InsufficientScope,
            ),
            (
                request("BREW", &[("x-api-key", key)]),
                DenialKind::NotPermitted,
            ),
        ] {
            send(&mut service, request).await.assert_refused(kind);
            assert_eq!(notes.take(), [format!("{kind:?}")]);
        }
        assert_eq!(seen.calls(), 0);
        send(&mut service, get(key)).await.assert_allowed();
        assert_eq!(notes.take(), ["key of acct_42"]);
    }

    let panics = |place| Panics::new(keys.store().clone(), place);
    for ((layer, notes), kind) in [
        (noted(Fixed::FailsNow, &clock), DenialKind::StoreFailed),
        (noted(Fixed::FailsLater, &clock), DenialKind::StoreFailed),
        (
            noted(panics(Place::InFindNow), &clock),
            DenialKind::Panicked,
        ),
        (
            noted(panics(Place::WhenPolled), &clock),
            DenialKind::Panicked,
        ),
        (noted(keys.store().clone(), &unset), DenialKind::ClockUnset),
        (noted(slow, &unset), DenialKind::ClockUnset),
    ] {
        let (probe, seen) = Probe::new();
        let mut service = layer.layer(probe);
        let answer = send(&mut service, get(expired.key.expose_secret())).await;
        answer.assert_refused(kind);
        assert_eq!((notes.take(), seen.calls()), (vec![format!("{kind:?}")], 0));
        // A request that needs no look-up is judged as ever.
        send(&mut service, get("x"))
            .await
            .assert_refused(DenialKind::Malformed);
        assert_eq!(notes.take(), ["Malformed"]);
    }
}

/// What a client can tell apart is only what it may know.
#[tokio::test]
async fn keys_that_are_refused_for_their_state_get_one_answer() {
    let (keys, clock) = timed_keys();
    let issued = issue(&keys, Scope::READ).await;
    let id = issued.record.id();
    let mut service = ApiKeyLayer::from_verifier(keys.verifier()).layer(Probe::new().0);
    let mut answers = vec![send(&mut service, get(UNKNOWN)).await];
    let soon = "2026-01-01T01:00:00Z".parse().unwrap();
    keys.update(&id, KeyUpdate::new().with_expires_at(Some(soon)))
        .await
        .unwrap();
    clock.set(soon);
    answers.push(send(&mut service, get(issued.key.expose_secret())).await);
    keys.disable(&id).await.unwrap();
    answers.push(send(&mut service, get(issued.key.expose_secret())).await);
    keys.revoke(&id, "leaked").await.unwrap();
    answers.push(send(&mut service, get(issued.key.expose_secret())).await);
    answers.push(send(&mut service, get("tc_x")).await);
    let kinds: Vec<_> = answers.iter().map(|answer| answer.kind.unwrap()).collect();
    assert_eq!(
        kinds,
        [
            DenialKind::Unknown,
            DenialKind::Expired,
            DenialKind::Disabled,
            DenialKind::Revoked,
            DenialKind::Malformed,
        ]
    );
    let first = format!(
        "{:?} {:?} {}",
        answers[0].status,
        answers[0].headers,
        answers[0].text()
    );
    for other in &answers[1..] {
        assert_eq!(
            format!("{:?} {:?} {}", other.status, other.headers, other.text()),
            first
        );
    }
}

#[tokio::test]
async fn openings_are_observed_as_such() {
    let (layer, notes) = noted(Fixed::FailsNow, &ManualClock::at(START.parse().unwrap()));
    let layer = layer
        .with_insecure_anonymous_access()
        .with_preflight_allowed();
    let layer = layer.with_public_path("/health").unwrap();
    let mut service = layer.layer(Probe::new().0);
    let preflight = [("origin", "x"), ("access-control-request-method", "PUT")];
    for (request, expected) in [
        (request("GET", &[]), "Anonymous"),
        (request_to("GET", "/health", &[]), "PublicPath"),
        (request("OPTIONS", &preflight), "Preflight"),
    ] {
        send(&mut service, request).await.assert_allowed();
        assert_eq!(notes.take(), [expected]);
    }
}

/// Clients put keys into paths by mistake.
#[tokio::test]
async fn no_debug_output_shows_the_target() {
    let key = UNKNOWN;
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (observed, answered) = (shown.clone(), shown.clone());
    let layer = ApiKeyLayer::new(Fixed::FailsNow)
        .with_observer(move |decision: &Decision<'_>| {
            observed.lock().unwrap().push(format!("{decision:?}"));
        })
        .with_responder(move |refusal: &Refusal<'_>| {
            answered.lock().unwrap().push(format!("{refusal:?}"));
            Response::new(Full::default())
        });
    let mut service = layer.layer(Probe::new().0);
    send(
        &mut service,
        request_to("GET", &format!("/x/{key}?{key}"), &[]),
    )
    .await;
    let shown = shown.lock().unwrap();
    assert_eq!(shown.len(), 2);
    for text in &*shown {
        assert!(text.contains("GET") && !text.contains(key), "{text}");
    }
}

#[tokio::test]
async fn an_observer_sees_the_head_without_credentials() {
    let (keys, _) = timed_keys();
    let key = issue(&keys, Scope::READ).await.key;
    let key = key.expose_secret().to_owned();
    let secret = key.clone();
    let observer = move |decision: &Decision<'_>| {
        let head = decision.head();
        assert_eq!(
            (head.method().as_str(), head.uri().path()),
            ("GET", "/items")
        );
        assert_eq!(head.header(&AUTHORIZATION), None);
        let names: Vec<_> = head.headers().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["accept"]);
        assert!(!format!("{decision:?}").contains(&secret[3..]));
        assert_eq!(decision.identity().is_some(), decision.denial().is_none());
    };
    let store = keys.store().clone();
    let elsewhere = ApiKeyLayer::new(store.clone()).with_sources([KeySource::X_API_KEY]);
    for layer in [
        ApiKeyLayer::new(store.clone()),
        ApiKeyLayer::new(Yielding(store)),
        // It reads no Authorization, and shows none: clients may send their key there all the same.
        elsewhere.unwrap(),
    ] {
        let mut service = layer.with_observer(observer.clone()).layer(Probe::new().0);
        for (key, status) in [(&*key, 200), (UNKNOWN, 401)] {
            let bearer = format!("Bearer {key}");
            let lines = [
                ("accept", "*/*"),
                ("x-api-key", key),
                ("authorization", &bearer),
            ];
            assert_eq!(
                send(&mut service, request("GET", &lines)).await.status,
                status
            );
        }
    }
}
