//! tower's manners: readiness, the readied clone, load, errors, bodies and panics.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use support::answer::Answer;
use support::inner::Probe;
use support::stores::{Gated, Panics, Place, Yielding};
use support::{Answered, Sent, UNKNOWN, get, issue, keys, request, send};
use tower::util::option_layer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::{
    DefaultResponder, GrpcResponder, Refusal, Respond, ResponseFuture,
};
use tower_api_key::{ApiKeyLayer, KeyStore, MemoryStore, Scope};
use tower_test::mock;

#[path = "support/crowd.rs"]
mod crowd;

#[tokio::test]
async fn readiness_is_that_of_the_inner_service() {
    let layer = ApiKeyLayer::new(MemoryStore::new());
    let (mut service, mut handle) = mock::spawn_layer::<Sent, Answered, _>(layer);
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.is_woken());
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    handle.send_error("the inner service is down");
    let Poll::Ready(Err(error)) = service.poll_ready() else {
        panic!("expected the error of the inner service");
    };
    assert_eq!(error.to_string(), "the inner service is down");
}

/// The mock panics when it is called without having been polled ready.
#[tokio::test]
async fn a_waiting_request_takes_the_readied_service_and_leaves_a_clone() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let store = Gated::new(keys.store().clone());
    let layer = ApiKeyLayer::new(store.clone());
    let (mut service, mut handle) = mock::spawn_layer::<Sent, Answered, _>(layer);
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));

    let mut response = Box::pin(service.call(get(key.expose_secret())));
    assert!(futures::poll!(&mut response).is_pending());
    assert!(handle.poll_request().is_pending());
    store.let_through(1);
    assert!(futures::poll!(&mut response).is_pending());
    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_response(Response::new(Full::from("inner-ok")));
    Answer::of(response.await.unwrap()).await.assert_allowed();

    // The one room that there was is taken, so the clone that was left is not ready.
    assert!(service.poll_ready().is_pending());
}

#[tokio::test]
async fn a_request_that_need_not_wait_calls_the_readied_service_itself() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let layer = ApiKeyLayer::new(keys.store().clone());
    let (mut service, mut handle) = mock::spawn_layer::<Sent, Answered, _>(layer);
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    let response = service.call(get(key.expose_secret()));
    // It was called within `call`.
    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_response(Response::new(Full::from("inner-ok")));
    Answer::of(response.await.unwrap()).await.assert_allowed();
}

/// The probe panics when it is called without having been polled ready.
#[tokio::test]
async fn a_refused_request_leaves_no_ready_service_behind() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let mut service = ApiKeyLayer::new(keys.store().clone()).layer(Probe::new().0);
    let refused = send(&mut service, get(UNKNOWN)).await;
    refused.assert_refused(DenialKind::Unknown);
    let call = catch_unwind(AssertUnwindSafe(|| {
        drop(service.call(get(key.expose_secret())));
    }));
    assert!(call.is_err(), "kept the readiness");
}

#[tokio::test]
async fn a_waiting_request_leaves_no_ready_service_behind() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let store = Gated::new(keys.store().clone());
    let mut service = ApiKeyLayer::new(store.clone()).layer(Probe::new().0);
    let first = service
        .ready()
        .await
        .unwrap()
        .call(get(key.expose_secret()));
    let second = service.call(get(key.expose_secret()));
    store.let_through(2);
    let answer = Answer::of(first.await.unwrap()).await;
    answer.assert_allowed();
    let second = AssertUnwindSafe(second).catch_unwind().await;
    assert!(second.is_err(), "the readied service was left behind");
}

#[tokio::test]
async fn inner_is_called_once_when_allowed_and_never_otherwise() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    for waits in [false, true] {
        let (probe, seen) = Probe::new();
        let layer = if waits {
            ApiKeyLayer::new(Yielding(keys.store().clone()))
        } else {
            ApiKeyLayer::new(keys.store().clone())
        };
        let mut service = layer.layer(probe);
        let sent = |method, key| request(method, &[("x-api-key", key)]);
        for (method, key, kind) in [
            ("GET", UNKNOWN, DenialKind::Unknown),
            ("GET", "tc_x", DenialKind::Malformed),
            ("POST", key.expose_secret(), DenialKind::InsufficientScope),
            ("BREW", key.expose_secret(), DenialKind::NotPermitted),
            ("GET", "", DenialKind::Missing),
        ] {
            let answer = send(&mut service, sent(method, key)).await;
            answer.assert_refused(kind);
            assert_eq!(seen.calls(), 0);
        }
        let allowed = send(&mut service, get(key.expose_secret())).await;
        allowed.assert_allowed();
        assert_eq!(seen.calls(), 1);
        assert_eq!(seen.identity().unwrap().owner(), "acct_42");
    }
}

#[tokio::test]
async fn the_error_of_the_inner_service_passes_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Own(u32);

    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let inner = service_fn(|_: Sent| async { Err::<Response<Vec<u8>>, _>(Own(7)) });
    let quick = ApiKeyLayer::new(keys.store().clone()).layer(inner);
    let slow = ApiKeyLayer::new(Yielding(keys.store().clone())).layer(inner);
    for service in [quick, slow] {
        let result = service.oneshot(get(key.expose_secret())).await;
        assert_eq!(result.unwrap_err(), Own(7));
    }
}

/// A body that panics whatever it is asked.
struct Untouchable;

impl Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was polled")
    }

    fn is_end_stream(&self) -> bool {
        panic!("the body was asked for its end")
    }

    fn size_hint(&self) -> SizeHint {
        panic!("the body was asked for its size")
    }
}

/// Only an answer to a refusal is made from octets.
impl From<Bytes> for Untouchable {
    fn from(octets: Bytes) -> Self {
        assert!(!octets.is_empty());
        Self
    }
}

#[tokio::test]
async fn no_body_is_touched() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let inner = service_fn(|request: Request<Untouchable>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let quick = ApiKeyLayer::new(keys.store().clone()).layer(inner);
    let slow = ApiKeyLayer::new(Yielding(keys.store().clone())).layer(inner);
    for service in [quick, slow] {
        for (key, status) in [(key.expose_secret(), 200), (UNKNOWN, 401), ("x", 401)] {
            let request = get(key).map(|_| Untouchable);
            let response = service.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status);
        }
    }
}

/// The answer to a request without a key, with the inner service's type of body.
async fn refusal<B, R>(layer: ApiKeyLayer<R>, body: fn() -> B) -> Answer
where
    B: Body<Error: std::fmt::Debug>,
    R: Respond<B> + Clone,
{
    let inner =
        service_fn(move |_: Sent| async move { Ok::<_, Infallible>(Response::new(body())) });
    let service = layer.layer(inner);
    Answer::of(service.oneshot(request("GET", &[])).await.unwrap()).await
}

#[tokio::test]
async fn every_type_of_body_is_served() {
    let layer = ApiKeyLayer::new(MemoryStore::new());
    for answer in [
        refusal(layer.clone(), Full::<Bytes>::default).await,
        refusal(layer.clone(), axum::body::Body::empty).await,
    ] {
        answer.assert_refused(DenialKind::Missing);
    }

    let text = |refusal: &Refusal<'_>| {
        let mut response = Response::new(refusal.message().into_owned());
        *response.status_mut() = refusal.status();
        response
    };
    let boxed = move |refusal: &Refusal<'_>| text(refusal).map(|text| Full::from(text).boxed());
    for answer in [
        refusal(layer.clone().with_responder(text), String::new).await,
        refusal(
            layer.clone().with_responder(boxed),
            BoxBody::<Bytes, Infallible>::default,
        )
        .await,
    ] {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.text(), "Invalid or missing API key.");
        assert_eq!(answer.kind, Some(DenialKind::Missing));
        assert_eq!(answer.header("vary"), "X-API-Key, Authorization");
        assert_eq!(answer.header("cache-control"), "no-store");
    }

    let grpc = layer.with_responder(GrpcResponder::new());
    let answer = refusal(grpc, tonic::body::Body::empty).await;
    assert_eq!((answer.status, answer.text()), (401, ""));
    assert_eq!(answer.kind, Some(DenialKind::Missing));
}

#[tokio::test]
async fn the_layer_can_be_optional() {
    for wanted in [true, false] {
        let layer = wanted.then(|| ApiKeyLayer::new(MemoryStore::new()));
        let service = option_layer(layer).layer(Probe::new().0);
        let response = service.oneshot(request("GET", &[])).await;
        let answer = Answer::of(response.unwrap()).await;
        if wanted {
            answer.assert_refused(DenialKind::Missing);
        } else {
            answer.assert_allowed();
        }
    }
}

#[tokio::test]
async fn the_future_can_be_named() {
    struct Held(ResponseFuture<Probe, DefaultResponder, Full<Bytes>>);

    let mut service = ApiKeyLayer::new(MemoryStore::new()).layer(Probe::new().0);
    let held = Held(service.ready().await.unwrap().call(request("GET", &[])));
    assert_eq!(format!("{:?}", held.0), r#"ResponseFuture("refused")"#);
    let answer = Answer::of(held.0.await.unwrap()).await;
    answer.assert_refused(DenialKind::Missing);
}

#[tokio::test]
async fn a_store_that_panics_refuses_and_leaves_the_service_usable() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    for place in Place::ALL {
        let store = Panics::new(keys.store().clone(), place);
        let (probe, seen) = Probe::new();
        let mut service = ApiKeyLayer::new(store.clone()).layer(probe);
        for _ in 0..2 {
            let ready = service.ready().await.unwrap();
            let refused = ready.call(get(key.expose_secret())).await.unwrap();
            let answer = Answer::of(refused).await;
            answer.assert_refused(DenialKind::Panicked);
        }
        assert_eq!(seen.calls(), 0, "{place:?}");
        store.repair();
        let ready = service.ready().await.unwrap();
        let allowed = ready.call(get(key.expose_secret())).await.unwrap();
        Answer::of(allowed).await.assert_allowed();
    }
}

/// A key with `read`, and the stores that hold it: one that answers at once, one that waits.
async fn stores() -> (String, MemoryStore, impl KeyStore + Clone) {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let store = keys.store().clone();
    (
        key.expose_secret().to_owned(),
        store.clone(),
        Yielding(store),
    )
}
