//! Answers in gRPC.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};

use super::refusal::Refusal;
use super::respond::Respond;

/// Answers every refusal in gRPC, for servers that speak nothing else.
///
/// The response has status 200, no body, and the outcome in its headers (the *Trailers-Only* form
/// of "gRPC over HTTP2"):
///
/// | refusal | `grpc-status` |
/// | --- | --- |
/// | 400, 401 | 16 `UNAUTHENTICATED` |
/// | 403 | 7 `PERMISSION_DENIED` |
/// | 503 | 14 `UNAVAILABLE` |
///
/// It serves every inner service whose body has a default, which must be the empty one: tonic's
/// `Body` does.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct GrpcResponder;

impl GrpcResponder {
    /// Answers in gRPC.
    pub const fn new() -> Self {
        Self
    }
}

impl<B: Default> Respond<B> for GrpcResponder {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        response(refusal, answer_type(refusal).unwrap_or(GRPC), B::default())
    }
}

/// The content type of an answer in gRPC; `None` when the request is not a gRPC request.
pub(super) fn answer_type(refusal: &Refusal<'_>) -> Option<&'static str> {
    let sent = refusal.head().header(&CONTENT_TYPE)?.as_bytes();
    // The longest first: each is the start of the ones before it.
    [GRPC_WEB_TEXT, GRPC_WEB, GRPC].into_iter().find(|known| {
        sent.strip_prefix(known.as_bytes())
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

pub(super) fn response<B>(
    refusal: &Refusal<'_>,
    content_type: &'static str,
    body: B,
) -> Response<B> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status(refusal)));
    // OK because a message is printable ASCII; only '%' is to be encoded, as it may stand in the
    // name of a scope.
    if let Ok(message) = HeaderValue::try_from(refusal.message().replace('%', "%25")) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

fn status(refusal: &Refusal<'_>) -> &'static str {
    match refusal.status() {
        StatusCode::FORBIDDEN => "7",
        StatusCode::SERVICE_UNAVAILABLE => "14",
        _ => "16",
    }
}

const GRPC: &str = "application/grpc";
const GRPC_WEB: &str = "application/grpc-web";
const GRPC_WEB_TEXT: &str = "application/grpc-web-text";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
