//! Refusals in gRPC, as a gRPC client reads them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;

use http::{Request, Response};
use http_body::Body as _;
use support::answer::Answer;
use support::stores::Fixed;
use support::{UNKNOWN, issue, keys, request, send, told};
use tonic::Code;
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::GrpcResponder;
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::{ApiKeyLayer, Scope};

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// The whole answer: status 200, the outcome in the headers, no body.
#[track_caller]
fn assert_grpc(answer: &Answer, content_type: &str, kind: DenialKind) {
    let (http, _, message) = told(kind);
    let (status, code) = match http {
        403 => ("7", Code::PermissionDenied),
        503 => ("14", Code::Unavailable),
        _ => ("16", Code::Unauthenticated),
    };
    let expected = [
        ("cache-control", "no-store"),
        ("content-type", content_type),
        ("grpc-message", message),
        ("grpc-status", status),
        ("vary", "X-API-Key, Authorization"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(answer.all_headers(), expected);
    assert_eq!(
        (answer.status, answer.text(), answer.kind),
        (200, "", Some(kind))
    );
    let read = tonic::Status::from_header_map(&answer.headers).unwrap();
    assert_eq!((read.code(), read.message()), (code, message));
}

#[tokio::test]
async fn a_grpc_request_is_refused_in_grpc() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let key = key.expose_secret();
    let layer = ApiKeyLayer::new(keys.store().clone());
    let failing = ApiKeyLayer::new(Fixed::FailsNow);
    for (layer, method, key, kind) in [
        (&layer, "GET", "", DenialKind::Missing),
        (&layer, "POST", "tc_x", DenialKind::Malformed),
        (&layer, "POST", UNKNOWN, DenialKind::Unknown),
        (&layer, "POST", "a,b", DenialKind::Ambiguous),
        (&layer, "POST", key, DenialKind::InsufficientScope),
        (&layer, "BREW", key, DenialKind::NotPermitted),
        (&failing, "POST", key, DenialKind::StoreFailed),
    ] {
        let inner = service_fn(|_: support::Sent| async {
            Ok::<support::Answered, Infallible>(Response::default())
        });
        let lines = [GRPC, ("x-api-key", key)];
        let by_default = send(&mut layer.layer(inner), request(method, &lines)).await;
        assert_grpc(&by_default, GRPC.1, kind);
        let layer = layer.clone().with_responder(GrpcResponder::new());
        let always = send(&mut layer.layer(inner), request(method, &lines[1..])).await;
        assert_grpc(&always, GRPC.1, kind);
    }
}

#[tokio::test]
async fn only_a_grpc_content_type_is_answered_in_grpc() {
    let layer = ApiKeyLayer::new(keys().store().clone());
    let inner = service_fn(|_: support::Sent| async {
        Ok::<support::Answered, Infallible>(Response::default())
    });
    let mut service = layer.layer(inner);
    let mut always = layer.with_responder(GrpcResponder::new()).layer(inner);
    for (sent, answered) in [
        ("application/grpc", Some("application/grpc")),
        ("application/grpc+proto", Some("application/grpc")),
        ("application/grpc;charset=utf-8", Some("application/grpc")),
        ("application/grpc-web", Some("application/grpc-web")),
        ("application/grpc-web+proto", Some("application/grpc-web")),
        (
            "application/grpc-web-text",
            Some("application/grpc-web-text"),
        ),
        (
            "application/grpc-web-text+proto",
            Some("application/grpc-web-text"),
        ),
        ("application/grpcx", None),
        ("application/grpc-", None),
        ("application/grpc-web-texts", None),
        ("application/grpc ", None),
        ("application/json", None),
        ("", None),
    ] {
        let lines = [("content-type", sent)];
        let answer = send(&mut service, request("POST", &lines)).await;
        match answered {
            Some(answered) => assert_grpc(&answer, answered, DenialKind::Missing),
            None => answer.assert_refused(DenialKind::Missing),
        }
        let answer = send(&mut always, request("POST", &lines)).await;
        assert_grpc(
            &answer,
            answered.unwrap_or("application/grpc"),
            DenialKind::Missing,
        );
    }
}

/// A scope may have any printable octet in its name but space, `"` and `\`.
#[tokio::test]
async fn the_message_is_percent_encoded() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let odd = Scope::from_static("50%25:a'b~");
    let name = odd.clone();
    let layer = ApiKeyLayer::new(keys.store().clone())
        .with_policy(move |_: &RequestHead<'_>| Requirement::from(odd.clone()));
    let inner = service_fn(|_: support::Sent| async {
        Ok::<support::Answered, Infallible>(Response::default())
    });
    let lines = [GRPC, ("x-api-key", key.expose_secret())];
    let answer = send(&mut layer.layer(inner), request("POST", &lines)).await;
    assert_eq!(
        answer.header("grpc-message"),
        "This action requires the '50%2525:a'b~' scope, which this API key lacks."
    );
    let read = tonic::Status::from_header_map(&answer.headers).unwrap();
    let message = format!("This action requires the '{name}' scope, which this API key lacks.");
    assert_eq!(read.message(), message);
}

#[tokio::test]
async fn a_service_with_tonics_body_is_served() {
    let keys = keys();
    let key = issue(&keys, Scope::WRITE).await.key;
    let inner = service_fn(|_: Request<tonic::body::Body>| async {
        Ok::<_, Infallible>(Response::new(tonic::body::Body::empty()))
    });
    let layer = ApiKeyLayer::new(keys.store().clone()).with_responder(GrpcResponder::new());
    let service = layer.layer(inner);
    for (key, status) in [
        (key.expose_secret(), None),
        (UNKNOWN, Some(Code::Unauthenticated)),
    ] {
        let lines = [GRPC, ("x-api-key", key)];
        let request = request("POST", &lines).map(|_| tonic::body::Body::empty());
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.body().is_end_stream());
        let read = tonic::Status::from_header_map(response.headers());
        assert_eq!(read.map(|status| status.code()), status);
    }
}
