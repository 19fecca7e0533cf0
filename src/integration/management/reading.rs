//! The body of a request, read within bounds.

use std::error::Error;

use axum::body::{Body, to_bytes};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::LengthLimitError;

use super::json::Json;
use super::problem::{FieldError, Problem, ProblemCode};
use super::refused::Refused;

/// The longest body, in octets.
pub(super) const MAX_BODY: usize = 65_536;

/// The JSON text of a body; an empty object where there is none, if that may be.
pub(super) async fn read(
    head: &Parts,
    body: Body,
    or_none: bool,
    also: Option<&str>,
) -> Result<Json, Refused> {
    let body = match to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(error) => return Err(unread(&*error.into_inner())),
    };
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let declared = (types.next(), types.next());
    if body.is_empty() && or_none && declared.0.is_none() {
        return Ok(Json::Object(Vec::new()));
    }
    let is_json = match declared {
        (Some(one), None) => one.to_str().is_ok_and(|one| is_json(one, also)),
        _ => false,
    };
    if !is_json {
        return Err(about("Content-Type", ProblemCode::UnsupportedMediaType));
    }
    if body.is_empty() && or_none {
        return Ok(Json::Object(Vec::new()));
    }
    serde_json::from_slice(&body).map_err(|_| about("", ProblemCode::InvalidJson))
}

/// A problem of the body as a whole, or of a header field.
fn about(field: &'static str, code: ProblemCode) -> Refused {
    let error = FieldError::value(field, code.detail());
    Problem::new(code).with_errors(vec![error]).into()
}

/// Why a body could not be read.
fn unread(error: &(dyn Error + Send + Sync + 'static)) -> Refused {
    if error.is::<LengthLimitError>() {
        about("", ProblemCode::BodyTooLarge)
    } else {
        // The client went away, or its message is malformed.
        about("", ProblemCode::InvalidJson)
    }
}

/// `application/json`, or the other type, with any parameters.
fn is_json(media_type: &str, also: Option<&str>) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    let essence = essence.trim_matches([' ', '\t']);
    let is = |expected: &str| essence.eq_ignore_ascii_case(expected);
    is("application/json") || also.is_some_and(is)
}
