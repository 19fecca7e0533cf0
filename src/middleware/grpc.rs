//! Answers in gRPC.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Response, StatusCode, Version};

use super::refusal::Refusal;
use super::respond::Respond;
use crate::policy::head::RequestHead;

/// Answers denied gRPC requests in gRPC, for tonic servers.
///
/// The response has status 200, no body, and the outcome in its headers (the *Trailers-Only* form
/// of "gRPC over HTTP2"):
///
/// | denial | `grpc-status` |
/// | --- | --- |
/// | 400, 401 | 16 `UNAUTHENTICATED` |
/// | 403 | 7 `PERMISSION_DENIED` |
/// | 429 | 8 `RESOURCE_EXHAUSTED` |
/// | 503 | 14 `UNAVAILABLE` |
///
/// A gRPC request is a POST whose content type is `application/grpc`, over HTTP/2, or
/// `application/grpc-web`, over any version. To any other request, the response has the real status
/// and the headers of the [`DefaultResponder`](super::json::DefaultResponder), and no body: a proxy
/// that treats 200 as success must not be given it by whoever sends a content type.
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
        if let Some(media_type) = media_type(refusal.head()) {
            return response(refusal, media_type, B::default());
        }
        let mut response = Response::new(B::default());
        *response.status_mut() = refusal.status();
        *response.headers_mut() = refusal.headers();
        response
    }
}

/// The media type of an answer in gRPC; `None` when the request is not a gRPC request.
pub(super) fn media_type(head: &RequestHead<'_>) -> Option<&'static str> {
    if head.method() != Method::POST {
        return None;
    }
    let sent = head.header(&CONTENT_TYPE)?.as_bytes();
    // Without the message format and the parameters.
    let sent = sent.split(|byte| b"+;".contains(byte)).next()?.trim_ascii();
    let known = [GRPC, GRPC_WEB, GRPC_WEB_TEXT];
    let known = known
        .into_iter()
        .find(|known| sent.eq_ignore_ascii_case(known.as_bytes()))?;
    (known != GRPC || head.version() == Version::HTTP_2).then_some(known)
}

pub(super) fn response<B>(refusal: &Refusal<'_>, media_type: &'static str, body: B) -> Response<B> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        GRPC_STATUS,
        HeaderValue::from_static(status(refusal.status())),
    );
    // OK because a message is printable ASCII; only '%' is to be encoded, as it may stand in the
    // name of a scope.
    if let Ok(message) = HeaderValue::try_from(refusal.message().replace('%', "%25")) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// An unknown status is `UNKNOWN`, as in gRPC's own mapping: a client must not take it for a bad key.
fn status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => "16",
        StatusCode::FORBIDDEN => "7",
        StatusCode::TOO_MANY_REQUESTS => "8",
        StatusCode::SERVICE_UNAVAILABLE => "14",
        _ => "2",
    }
}

const GRPC: &str = "application/grpc";
const GRPC_WEB: &str = "application/grpc-web";
const GRPC_WEB_TEXT: &str = "application/grpc-web-text";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_denied_key_is_unauthenticated() {
        for (http, grpc) in [
            (400, "16"),
            (401, "16"),
            (403, "7"),
            (429, "8"),
            (503, "14"),
            (404, "2"),
            (418, "2"),
            (500, "2"),
        ] {
            assert_eq!(status(StatusCode::from_u16(http).unwrap()), grpc, "{http}");
        }
    }
}
