//! The default answer: JSON, or gRPC to a gRPC request.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use super::grpc;
use super::refusal::Refusal;
use super::respond::Respond;

/// Answers refusals in JSON, `{"error":"…","message":"…"}`, and those of gRPC requests in gRPC.
///
/// It serves every inner service whose body can be made from [`Bytes`]. A gRPC request is one whose
/// content type is `application/grpc` or `application/grpc-web`, as
/// [`GrpcResponder`](super::grpc::GrpcResponder) says.
///
/// | header | on |
/// | --- | --- |
/// | `Content-Type: application/json` | all |
/// | `Cache-Control: no-store` | all |
/// | `X-Content-Type-Options: nosniff` | all |
/// | `WWW-Authenticate: Bearer realm="…"` | 400, 401 and 403 |
/// | `Retry-After` | 503 |
///
/// Nothing of the request is repeated in the response. The answer to HEAD has no content, and the
/// `Content-Length` of the answer to GET.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultResponder;

impl DefaultResponder {
    /// The default answers.
    pub const fn new() -> Self {
        Self
    }
}

impl<B: From<Bytes>> Respond<B> for DefaultResponder {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        if let Some(content_type) = grpc::answer_type(refusal) {
            return grpc::response(refusal, content_type, B::from(Bytes::new()));
        }
        let mut headers = headers(refusal);
        let mut content = body(refusal);
        if refusal.head().method() == Method::HEAD {
            // The answer to HEAD has no content (RFC 9110, section 9.3.2); not every server cuts it.
            // Its length is that of the answer to GET (section 8.6), which no server could tell then.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
            content.clear();
        }
        let mut response = Response::new(B::from(content));
        *response.status_mut() = refusal.status();
        *response.headers_mut() = headers;
        response
    }
}

fn headers(refusal: &Refusal<'_>) -> HeaderMap {
    // Room for these and what the layer adds.
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if let Some(challenge) = refusal.challenge() {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    message: &'a str,
}

fn body(refusal: &Refusal<'_>) -> Bytes {
    /// The one answer to every key that is not accepted, made once.
    static UNAUTHORIZED: OnceLock<Vec<u8>> = OnceLock::new();
    if refusal.status() == StatusCode::UNAUTHORIZED {
        Bytes::from_static(UNAUTHORIZED.get_or_init(|| serialized(refusal)))
    } else {
        serialized(refusal).into()
    }
}

fn serialized(refusal: &Refusal<'_>) -> Vec<u8> {
    let body = Body {
        error: refusal.error(),
        message: &refusal.message(),
    };
    // OK because two strings always serialize.
    serde_json::to_vec(&body).unwrap_or_default()
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
