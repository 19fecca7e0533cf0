//! What a handler answers instead.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;

use super::problem::{Problem, ProblemCode};
use super::respond::json;
use crate::manage::error::ManageError;

/// The response of a request that is not served.
pub(super) struct Refused(Box<Response>);

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let mut response = json(problem.status(), "application/problem+json", &problem);
        if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = const { http::HeaderValue::from_static("1") };
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response.into()
    }
}

impl From<ProblemCode> for Refused {
    fn from(code: ProblemCode) -> Self {
        Problem::new(code).into()
    }
}

impl From<ManageError> for Refused {
    fn from(error: ManageError) -> Self {
        Problem::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}
