//! Refusals in gRPC, as a gRPC client reads them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;

use http::{Request, Response, Version};
use http_body::Body as _;
use support::answer::Answer;
use support::stores::Fixed;
use support::{Answered, Sent, UNKNOWN, issue, keys, request, send, told};
use tonic::Code;
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::denial::DenialKind;
use tower_api_key::middleware::GrpcResponder;
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::{ApiKeyLayer, Scope};

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// A request over HTTP/2.
fn call(method: &str, lines: &[(&str, &str)]) -> Sent {
    let mut request = request(method, lines);
    *request.version_mut() = Version::HTTP_2;
    request
}

/// Answers without a body.
async fn answer_empty(_: Sent) -> Result<Answered, Infallible> {
    Ok(Response::default())
}

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

/// The status and headers of the answer in JSON, without its content.
#[track_caller]
fn assert_bare(answer: &Answer, json: &Answer) {
    json.assert_refused(answer.kind.unwrap());
    let mut expected = json.all_headers();
    expected.retain(|(name, _)| !matches!(&**name, "content-type" | "content-length"));
    assert_eq!(answer.all_headers(), expected);
    assert_eq!((answer.status, answer.text()), (json.status, ""));
}

/// A client must not be able to choose 200 for its own denial.
#[tokio::test]
async fn a_grpc_request_is_answered_in_grpc_only_where_that_is_switched_on() {
    let keys = keys();
    let reads = issue(&keys, Scope::READ).await.key;
    let writes = issue(&keys, Scope::WRITE).await.key;
    let (reads, writes) = (reads.expose_secret(), writes.expose_secret());
    let layer = ApiKeyLayer::new(keys.store().clone());
    let failing = ApiKeyLayer::new(Fixed::FailsNow);
    let deny = |_: &RequestHead<'_>| Requirement::NotPermitted;
    let denying = layer.clone().with_policy(deny);
    let needs_write = |_: &RequestHead<'_>| Requirement::from(Scope::WRITE);
    let layer = layer.with_policy(needs_write);
    for (layer, key, kind) in [
        (&layer, "", DenialKind::Missing),
        (&layer, "tc_x", DenialKind::Malformed),
        (&layer, UNKNOWN, DenialKind::Unknown),
        (&layer, "a,b", DenialKind::Ambiguous),
        (&layer, reads, DenialKind::InsufficientScope),
        (&denying, writes, DenialKind::NotPermitted),
        (&failing, writes, DenialKind::StoreFailed),
    ] {
        let mut off = layer.layer(service_fn(answer_empty));
        let mut on = layer.clone().with_grpc().layer(service_fn(answer_empty));
        let tonic = layer.clone().with_responder(GrpcResponder::new());
        let mut tonic = tonic.layer(service_fn(answer_empty));
        let lines = [GRPC, ("x-api-key", key)];
        let json = send(&mut off, call("POST", &lines)).await;
        json.assert_refused(kind);
        assert_grpc(&send(&mut on, call("POST", &lines)).await, GRPC.1, kind);
        assert_grpc(&send(&mut tonic, call("POST", &lines)).await, GRPC.1, kind);
        // To any other request, the ordinary answer.
        for other in [
            request("POST", &lines),
            call("GET", &lines),
            call("PUT", &lines),
            call("BREW", &lines),
            call("POST", &lines[1..]),
            request("GET", &[("content-type", "application/grpc-web"), lines[1]]),
        ] {
            send(&mut off, other.clone()).await.assert_refused(kind);
            send(&mut on, other.clone()).await.assert_refused(kind);
            assert_bare(&send(&mut tonic, other).await, &json);
        }
        // No content of an answer to HEAD, and no grpc-status either.
        let head = send(&mut on, call("HEAD", &lines)).await;
        assert_eq!(
            (head.status, head.header("grpc-status").as_str()),
            (told(kind).0, "")
        );
        assert_bare(&send(&mut tonic, call("HEAD", &lines)).await, &json);
    }
}

#[tokio::test]
async fn media_types_have_no_case_and_grpc_web_any_version() {
    let layer = ApiKeyLayer::new(keys().store().clone());
    let mut on = layer.clone().with_grpc().layer(service_fn(answer_empty));
    let tonic = layer.with_responder(GrpcResponder::new());
    let mut tonic = tonic.layer(service_fn(answer_empty));
    let (grpc, web, text) = (
        Some("application/grpc"),
        Some("application/grpc-web"),
        Some("application/grpc-web-text"),
    );
    for (sent, over_http1, over_http2) in [
        ("application/grpc", None, grpc),
        ("Application/GRPC", None, grpc),
        ("application/grpc+proto", None, grpc),
        ("application/gRPC+PROTO", None, grpc),
        ("application/grpc;charset=utf-8", None, grpc),
        ("application/grpc ; charset=utf-8", None, grpc),
        ("application/grpc-web", web, web),
        ("APPLICATION/grpc-Web", web, web),
        ("application/grpc-web+proto", web, web),
        ("application/grpc-web-text", text, text),
        ("application/grpc-web-Text+proto", text, text),
        ("application/grpcx", None, None),
        ("application/grpc-", None, None),
        ("application/grpc-web-texts", None, None),
        ("application/json, application/grpc", None, None),
        ("application/json", None, None),
        ("", None, None),
    ] {
        let lines = [("content-type", sent)];
        for (request, expected) in [
            (request("POST", &lines), over_http1),
            (call("POST", &lines), over_http2),
        ] {
            let json = send(&mut on, request.clone()).await;
            let answer = send(&mut tonic, request).await;
            match expected {
                Some(media_type) => {
                    assert_grpc(&json, media_type, DenialKind::Missing);
                    assert_grpc(&answer, media_type, DenialKind::Missing);
                }
                None => assert_bare(&answer, &json),
            }
        }
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
    let lines = [GRPC, ("x-api-key", key.expose_secret())];
    let mut service = layer.with_grpc().layer(service_fn(answer_empty));
    let answer = send(&mut service, call("POST", &lines)).await;
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
        let request = call("POST", &lines).map(|_| tonic::body::Body::empty());
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.body().is_end_stream());
        let read = tonic::Status::from_header_map(response.headers());
        assert_eq!(read.map(|status| status.code()), status);
    }
}
