//! How the layer behaves as a tower service: readiness, errors, bodies, routers.

use std::cell::Cell;
use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::routing::{get as on_get, post as on_post};
use bytes::Bytes;
use futures::future::{Ready, ready};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt, service_fn};
use tower_api_key::key::ApiKey;
use tower_api_key::middleware::{GrpcResponder, Refusal, Respond};
use tower_api_key::{ApiKeyLayer, KeyStore, MemoryStore};
use tower_layer::Layer;

use super::kit::{Waiting, call, get, manager, new_key};

/// A layer on a store that answers at once, one on a store that waits, and a key that they know.
async fn both_layers() -> ([ApiKeyLayer; 2], ApiKey) {
    let keys = manager();
    let fresh = keys.issue(new_key()).await.unwrap();
    let store = keys.store().clone();
    (
        [
            ApiKeyLayer::new(store.clone()),
            ApiKeyLayer::new(Waiting(store)),
        ],
        fresh.key,
    )
}

/// Must be made ready before each call; a clone is not ready.
#[derive(Default)]
struct MustBeReady {
    is_ready: bool,
}

impl Clone for MustBeReady {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Body>> for MustBeReady {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(self.is_ready, "called without having been polled ready");
        self.is_ready = false;
        ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn sc_tow_1_the_readied_service_is_the_one_called() {
    let (layers, key) = both_layers().await;
    let key = key.expose_secret();
    for layer in layers {
        let mut service = layer.layer(MustBeReady::default());
        for sent in [Some(key), None, Some(key), Some("tc_"), Some(key)] {
            let Ok(response) = call(&mut service, sent).await;
            assert_eq!(response.status().is_success(), sent == Some(key));
            let Ok(_) = call(&mut service.clone(), sent).await;
        }
        // A second request may be made ready and called while the first still waits.
        let first = service.ready().await.unwrap().call(get(Some(key)));
        let second = service.ready().await.unwrap().call(get(Some(key)));
        let Ok(second) = second.await;
        let Ok(first) = first.await;
        assert_eq!([first.status(), second.status()], [StatusCode::OK; 2]);
    }
}

#[tokio::test]
async fn sc_tow_5_an_error_of_the_inner_service_passes_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Broken(u32);

    let (layers, key) = both_layers().await;
    for layer in layers {
        let inner = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(Broken(7)) });
        let mut service = layer.layer(inner);
        let passed = call(&mut service, Some(key.expose_secret())).await;
        assert_eq!(passed.unwrap_err(), Broken(7));
        let refused = call(&mut service, None).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Runs a layer in front of a service with a body of this type, which may be polled by nobody but
/// the client.
async fn check_body<B, R>(responder: R, make: impl Fn() -> B + Clone)
where
    B: http_body::Body,
    R: Respond<B> + Clone,
{
    let keys = manager();
    let fresh = keys.issue(new_key()).await.unwrap();
    let layer = ApiKeyLayer::new(keys.store().clone()).with_responder(responder);
    let inner = service_fn(move |_: Request<Body>| {
        let response = Response::new(make());
        async { Ok::<_, Infallible>(response) }
    });
    let mut service = layer.layer(inner);
    let Ok(response) = call(&mut service, Some(fresh.key.expose_secret())).await;
    assert_eq!(response.status(), StatusCode::OK);
    let Ok(response) = call(&mut service, None).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn sc_tow_7_every_type_of_body_composes() {
    let default = tower_api_key::middleware::DefaultResponder::new();
    check_body(default, Full::<Bytes>::default).await;
    check_body(default, Body::empty).await;
    // tonic's body cannot be made from octets, but its default is the empty one.
    check_body(GrpcResponder::new(), tonic::body::Body::empty).await;

    let boxed = |refusal: &Refusal<'_>| {
        Response::builder()
            .status(refusal.status())
            .header("content-type", "text/plain")
            .body(Full::from(refusal.message().into_owned()).boxed())
            .unwrap()
    };
    check_body(boxed, || Full::<Bytes>::default().boxed()).await;
    let unsync = move |refusal: &Refusal<'_>| boxed(refusal).map(BodyExt::boxed_unsync);
    check_body(unsync, || Full::<Bytes>::default().boxed_unsync()).await;
}

/// The types that a boxed body can have compile as the body of a request too.
#[test]
fn sc_tow_7_every_type_of_request_body_composes() {
    fn is_send<T: Send>(_: &T) -> bool {
        true
    }
    fn service_of<B: Default + Send + 'static>() -> bool {
        let inner =
            service_fn(|_: Request<B>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let mut service = ApiKeyLayer::new(MemoryStore::new()).layer(inner);
        // The look-up may wait, so the future holds the request, and must be `Send` with it.
        is_send(&service) && is_send(&service.call(Request::new(B::default())))
    }
    assert!(service_of::<Full<Bytes>>());
    assert!(service_of::<UnsyncBoxBody<Bytes, Infallible>>());
    assert!(service_of::<tonic::body::Body>());
    // Not even `Sync` is asked for, nor that it is a body.
    assert!(service_of::<Cell<u8>>());
}

/// A router with routes before and after a layer, a nested one and fallbacks.
fn router(layer: &ApiKeyLayer) -> Router {
    let answer = || async { "inner-ok" };
    let nested = Router::new()
        .route("/before", on_get(answer))
        .layer(layer.clone());
    let nested = nested.route("/after", on_get(answer));
    Router::new()
        .route("/before", on_get(answer))
        .layer(layer.clone())
        .route("/after", on_post(answer))
        .nest("/nested", nested)
}

async fn status(app: &Router, method: Method, path: &str) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn sc_tow_8_a_router_protects_what_was_added_before_the_layer() {
    let layer = ApiKeyLayer::new(MemoryStore::new());
    let app = router(&layer);
    for (path, expected) in [
        ("/before", StatusCode::UNAUTHORIZED),
        ("/nested/before", StatusCode::UNAUTHORIZED),
        ("/nested/after", StatusCode::OK),
        // The default fallback was there before the layer.
        ("/nowhere", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(status(&app, Method::GET, path).await, expected, "{path}");
    }
    assert_eq!(status(&app, Method::POST, "/after").await, StatusCode::OK);
    // A method that a protected route has not is refused before the router can say so.
    assert_eq!(
        status(&app, Method::PUT, "/before").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        status(&app, Method::GET, "/after").await,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn sc_tow_8_a_fallback_is_protected_when_it_was_set_before_the_layer() {
    let layer = ApiKeyLayer::new(MemoryStore::new());
    let fallback = || async { (StatusCode::IM_A_TEAPOT, "fallback") };
    let before = Router::new().fallback(fallback).layer(layer.clone());
    assert_eq!(
        status(&before, Method::GET, "/x").await,
        StatusCode::UNAUTHORIZED
    );
    let after = Router::new().layer(layer.clone()).fallback(fallback);
    assert_eq!(
        status(&after, Method::GET, "/x").await,
        StatusCode::IM_A_TEAPOT
    );

    let route = || Router::new().route("/x", on_get(|| async { "inner-ok" }));
    let of_methods = route()
        .method_not_allowed_fallback(fallback)
        .layer(layer.clone());
    assert_eq!(
        status(&of_methods, Method::PUT, "/x").await,
        StatusCode::UNAUTHORIZED
    );

    // `route_layer` covers routes only, so that what does not exist is 404 to everyone.
    let routes = route().route_layer(layer.clone());
    assert_eq!(
        status(&routes, Method::GET, "/x").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        status(&routes, Method::GET, "/nowhere").await,
        StatusCode::NOT_FOUND
    );

    // Merged routes keep what they had.
    let merged = Router::new()
        .route("/open", on_get(|| async { "inner-ok" }))
        .merge(routes);
    assert_eq!(
        status(&merged, Method::GET, "/x").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(status(&merged, Method::GET, "/open").await, StatusCode::OK);
}

#[tokio::test]
async fn sc_tow_8_around_the_finished_router_everything_is_protected() {
    let layer = ApiKeyLayer::new(MemoryStore::new());
    let app = layer.layer(router(&layer).fallback(|| async { "fallback" }));
    for path in [
        "/before",
        "/after",
        "/nested/before",
        "/nested/after",
        "/nowhere",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT] {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    let docs = super::kit::doc_text(include_str!("../../../../src/middleware/layer.rs"));
    assert!(docs.contains("a layer covers the routes that were added before it, and the fallback"));
    assert!(docs.contains("To cover whatever will ever be added, wrap the finished router"));
}

/// A store can be shared as a trait object, as the layer does itself.
#[tokio::test]
async fn sc_tow_7_a_store_behind_a_pointer_is_a_store() {
    let keys = manager();
    let fresh = keys.issue(new_key()).await.unwrap();
    let store: std::sync::Arc<dyn KeyStore> = std::sync::Arc::new(keys.store().clone());
    let layer = ApiKeyLayer::new(store);
    assert_eq!(
        super::kit::status(&layer, fresh.key.expose_secret()).await,
        StatusCode::OK
    );
}
