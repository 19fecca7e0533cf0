//! The default answer: JSON, and gRPC where it is switched on.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use super::grpc;
use super::refusal::Refusal;
use super::respond::Respond;

/// Answers denied requests in JSON, `{"error":"…","message":"…"}`.
///
/// It serves every inner service whose body can be made from [`Bytes`]. With
/// [`with_grpc`](Self::with_grpc), it answers gRPC requests in gRPC.
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
pub struct DefaultResponder {
    grpc: bool,
}

impl DefaultResponder {
    /// The default answers: JSON to every request.
    pub const fn new() -> Self {
        Self { grpc: false }
    }

    /// Answers gRPC requests as [`GrpcResponder`](super::grpc::GrpcResponder) does.
    #[must_use]
    pub const fn with_grpc(self) -> Self {
        Self { grpc: true }
    }
}

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>> Respond<B> for DefaultResponder {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        if self.grpc
            && let Some(media_type) = grpc::media_type(refusal.head())
        {
            return grpc::response(refusal, media_type, B::from(Bytes::new()));
        }
        let mut headers = refusal.headers();
        headers.insert(CONTENT_TYPE, JSON);
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
