//! Answers in JSON.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::conditions::tag;
use crate::record::key::KeyRecord;

/// A response with that body, which no cache keeps.
pub(super) fn json(
    status: StatusCode,
    media_type: &'static str,
    body: &impl Serialize,
) -> Response {
    // OK because every body here is made of texts, numbers, lists and objects with texts as names.
    let body = serde_json::to_vec(body).expect("an answer can be written as JSON");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer to a request that was served.
pub(super) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, "application/json", body)
}

/// The answer with one key, and the tag of its revision.
pub(super) fn tagged(mut response: Response, record: &KeyRecord) -> Response {
    response.headers_mut().insert(ETAG, tag(record));
    response
}
