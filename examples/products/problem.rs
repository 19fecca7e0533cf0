//! What a request did wrong, once its key was accepted.

use http::StatusCode;
use serde_json::{Value, json};

/// An error of the API; its body has the shape of the layer's own refusals.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing here.")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "This resource does not have that method.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    pub(crate) fn body(&self) -> Value {
        json!({
            "error": self.status.canonical_reason(),
            "message": self.message,
        })
    }
}
