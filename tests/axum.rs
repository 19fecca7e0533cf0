//! axum: the extractor, and the layer around a whole router or inside of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "axum")]

mod support;

use axum::body::Body;
use axum::routing::{any, get};
use axum::{Extension, Router};
use http::{Request, Response, Version};
use support::answer::Answer;
use support::{Notes, UNKNOWN, issue, keys};
use tower::{Layer, Service, ServiceExt};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::{GrpcResponder, Refusal};
use tower_api_key::usage::UsageMonitor;
use tower_api_key::{ApiKeyLayer, Identity, KeyManager, MemoryStore, RequireScope, Scope};

async fn whose(identity: Identity) -> String {
    format!("{}: {}", identity.owner(), identity.scopes())
}

async fn greet(identity: Option<Identity>) -> String {
    identity.map_or("stranger".to_owned(), |identity| {
        identity.owner().to_owned()
    })
}

fn routes() -> Router {
    Router::new()
        .route("/whose", any(whose))
        .route("/greet", get(greet))
        .route("/extension", get(|Extension(identity): Extension<Identity>| async move {
            identity.name().to_owned()
        }))
        .route(
            "/reports",
            get(whose).route_layer(RequireScope::new([Scope::from_static("reports")])),
        )
}

async fn ask<S>(app: &S, method: &str, path: &str, key: Option<&str>) -> Answer
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Clone,
{
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let response = app
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await;
    Answer::of(response.unwrap()).await
}

async fn fixture() -> (KeyManager<MemoryStore>, String) {
    let keys = keys();
    let key = issue(&keys, [Scope::READ, Scope::WRITE]).await.key;
    (keys, key.expose_secret().to_owned())
}

#[tokio::test]
async fn a_handler_gets_the_identity() {
    let (keys, key) = fixture().await;
    let layer = ApiKeyLayer::new(keys.store().clone());
    // Around the finished router, and inside of it.
    let outside = layer.layer(routes());
    let inside = routes().layer(layer);
    for (method, path, body) in [
        ("GET", "/whose", "acct_42: read write"),
        ("POST", "/whose", "acct_42: read write"),
        ("GET", "/greet", "acct_42"),
        ("GET", "/extension", "CI"),
    ] {
        for answer in [
            ask(&outside, method, path, Some(&key)).await,
            ask(&inside, method, path, Some(&key)).await,
        ] {
            assert_eq!(
                (answer.status, answer.text(), answer.kind),
                (200, body, None)
            );
            assert_eq!(answer.header("cache-control"), "private");
            assert_eq!(answer.header("vary"), "X-API-Key, Authorization");
        }
    }
    for (method, key, kind) in [
        ("GET", None, DenialKind::Missing),
        ("GET", Some(UNKNOWN), DenialKind::Unknown),
        ("TRACE", Some(&*key), DenialKind::NotPermitted),
    ] {
        ask(&outside, method, "/whose", key)
            .await
            .assert_refused(kind);
        ask(&inside, method, "/whose", key)
            .await
            .assert_refused(kind);
    }
}

#[tokio::test]
async fn a_layer_around_the_router_guards_what_no_route_serves() {
    let (keys, key) = fixture().await;
    let outside = ApiKeyLayer::new(keys.store().clone()).layer(routes());
    let answer = ask(&outside, "GET", "/nowhere", None).await;
    answer.assert_refused(DenialKind::Missing);
    assert_eq!(
        ask(&outside, "GET", "/nowhere", Some(&key)).await.status,
        404
    );
}

#[tokio::test]
async fn a_route_layer_asks_for_more() {
    let (keys, key) = fixture().await;
    let app = routes().layer(ApiKeyLayer::new(keys.store().clone()));
    let answer = ask(&app, "GET", "/reports", Some(&key)).await;
    assert_eq!(
        (answer.status, answer.kind),
        (403, Some(DenialKind::InsufficientScope))
    );
    assert_eq!(
        answer.text(),
        r#"{"error":"Forbidden","message":"This action requires the 'reports' scope, which this API key lacks."}"#
    );
    let able = issue(&keys, [Scope::READ, Scope::from_static("reports")])
        .await
        .key;
    let answer = ask(&app, "GET", "/reports", Some(able.expose_secret())).await;
    assert_eq!(
        (answer.status, answer.text()),
        (200, "acct_42: read reports")
    );
}

#[tokio::test]
async fn an_optional_identity_serves_strangers_too() {
    let (keys, key) = fixture().await;
    let layer = ApiKeyLayer::new(keys.store().clone()).with_insecure_anonymous_access();
    let app = routes().layer(layer);
    let answer = ask(&app, "GET", "/greet", None).await;
    assert_eq!((answer.status, answer.text()), (200, "stranger"));
    assert_eq!(
        ask(&app, "GET", "/greet", Some(&key)).await.text(),
        "acct_42"
    );
    let answer = ask(&app, "GET", "/greet", Some(UNKNOWN)).await;
    answer.assert_refused(DenialKind::Unknown);
    // A handler that needs one is not called without it.
    ask(&app, "GET", "/whose", None)
        .await
        .assert_refused(DenialKind::Missing);
}

/// The answer for a handler that needs an identity is that of the layer which let the request in.
#[tokio::test]
async fn the_extractor_refuses_as_the_layer_does() {
    let (keys, _) = fixture().await;
    let strict = ApiKeyLayer::new(keys.store().clone()).with_realm("TruCustom");
    let notes = Notes::default();
    let strict = strict.unwrap().with_observer(notes.clone());
    let open = strict.clone().with_insecure_anonymous_access();
    let expected = ask(&strict.layer(routes()), "GET", "/whose", None).await;
    assert_eq!(expected.kind, Some(DenialKind::Missing));
    assert_eq!(notes.take(), ["Missing"]);
    let challenge = r#"Bearer realm="TruCustom""#;
    assert_eq!(expected.header("www-authenticate"), challenge);
    for answer in [
        ask(&open.layer(routes()), "GET", "/whose", None).await,
        ask(&routes().layer(open.clone()), "GET", "/whose", None).await,
    ] {
        // axum adds the length to what comes out of a route.
        let mut headers = answer.all_headers();
        headers.retain(|(name, _)| name != "content-length");
        assert_eq!(headers, expected.all_headers());
        assert_eq!((answer.status, answer.text()), (401, expected.text()));
        assert_eq!(answer.kind, Some(DenialKind::Missing));
    }
    assert_eq!(notes.take(), ["Anonymous", "Missing"].repeat(2));
    // A public path depends on no header, whatever its handler wants.
    let public = strict.with_public_path("/whose").unwrap();
    let answer = ask(&public.layer(routes()), "GET", "/whose", Some(UNKNOWN)).await;
    assert_eq!(answer.header("www-authenticate"), challenge);
    assert_eq!((answer.status, &*answer.header("vary")), (401, ""));
    assert_eq!(notes.take(), ["PublicPath", "Missing"]);
}

/// Whichever type it is of.
#[tokio::test]
async fn the_extractor_answers_by_the_layers_responder() {
    let (keys, key) = fixture().await;
    let layer = ApiKeyLayer::new(keys.store().clone()).with_insecure_anonymous_access();
    let no = |refusal: &Refusal<'_>| {
        let mut response = Response::new(Body::from("no"));
        *response.status_mut() = refusal.status();
        response
    };
    let app = layer.clone().with_responder(no).layer(routes());
    let answer = ask(&app, "GET", "/whose", None).await;
    assert_eq!((answer.status, answer.text()), (401, "no"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="api""#);
    let answer = ask(&app, "GET", "/whose", Some(&key)).await;
    assert_eq!(answer.text(), "acct_42: read write");

    let grpc = layer.with_responder(GrpcResponder::new()).layer(routes());
    let answer = ask(&grpc, "GET", "/whose", None).await;
    assert_eq!((answer.status, answer.text()), (401, ""));
    let request = Request::post("/whose").version(Version::HTTP_2);
    let request = request.header("content-type", "application/grpc");
    let response = grpc.oneshot(request.body(Body::empty()).unwrap()).await;
    let answer = Answer::of(response.unwrap()).await;
    assert_eq!(
        (answer.status, answer.header("grpc-status")),
        (200, "16".to_owned())
    );
}

#[tokio::test]
async fn a_request_that_the_extractor_denies_counts_as_denied() {
    let (keys, _) = fixture().await;
    let usage = UsageMonitor::new();
    let layer = ApiKeyLayer::new(keys.store().clone()).with_usage(usage.clone());
    let layer = layer.with_public_path("/greet").unwrap();
    let app = layer.with_insecure_anonymous_access().layer(routes());
    for path in ["/whose", "/reports", "/greet"] {
        ask(&app, "GET", path, None).await;
    }
    let stats = usage.stats();
    assert_eq!(
        (
            stats.refused(DenialKind::Missing),
            stats.passed_without_key()
        ),
        (2, 1)
    );
}

/// Forgetting the layer opens nothing.
#[tokio::test]
async fn without_the_layer_a_handler_that_needs_an_identity_is_not_called() {
    let (_, key) = fixture().await;
    for key in [None, Some(&*key)] {
        for path in ["/whose", "/reports"] {
            let answer = ask(&routes(), "GET", path, key).await;
            assert_eq!(
                (answer.status, answer.text(), answer.kind),
                (401, "", Some(DenialKind::Missing))
            );
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="api""#);
        }
        assert_eq!(
            ask(&routes(), "GET", "/greet", key).await.text(),
            "stranger"
        );
    }
}

/// A router knows only the content that is left, which is none (RFC 9110, section 8.6).
#[tokio::test]
async fn a_refused_head_has_the_length_of_a_refused_get_and_no_content() {
    let (keys, key) = fixture().await;
    let layer = ApiKeyLayer::new(keys.store().clone());
    let inside = routes().layer(layer.clone());
    let around = layer.layer(routes());
    for (path, key) in [
        ("/whose", None),
        ("/reports", Some(&*key)),
        ("/nowhere", None),
    ] {
        let get = ask(&inside, "GET", path, key).await;
        let length = get.body.len().to_string();
        for head in [
            ask(&inside, "HEAD", path, key).await,
            ask(&around, "HEAD", path, key).await,
        ] {
            assert_eq!((head.status, head.text()), (get.status, ""), "{path}");
            assert_eq!(head.header("content-length"), length, "{path}");
        }
    }
}
