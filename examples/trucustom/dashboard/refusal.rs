//! What a page says when it can't do what was asked.

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{Html, IntoResponse, Response};
use tower_api_key::manage::{ManageError, ManageErrorKind};

use super::shown::Frame;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    NotFound,
    /// A page that takes no such request.
    Method,
    /// A form of another site, or of another session.
    Forged,
    Malformed,
    /// What the key that signed in may not give, or what the key's state does not allow.
    Denied(String),
    Conflict,
    Unavailable,
}

impl Refusal {
    fn told(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such page or key.",
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Nothing was done",
                "This page can’t be asked for like this. Go back to the dashboard and try again.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This form was not accepted",
                "It did not come from a page of this session. Go back to the dashboard and try again.",
            ),
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "This form could not be read",
                "Go back to the dashboard and try again.",
            ),
            Self::Denied(why) => (StatusCode::CONFLICT, "This can’t be done", why),
            Self::Conflict => (
                StatusCode::CONFLICT,
                "The key has changed meanwhile",
                "Somebody changed this key after your page was shown, so nothing was done.",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Keys can’t be reached",
                "The store did not answer. A change may have been made all the same: look before you repeat it.",
            ),
        }
    }
}

impl From<ManageError> for Refusal {
    fn from(error: ManageError) -> Self {
        match error.kind() {
            ManageErrorKind::NotFound => Self::NotFound,
            ManageErrorKind::RevisionMismatch => Self::Conflict,
            ManageErrorKind::Store | ManageErrorKind::Randomness | ManageErrorKind::ClockUnset => {
                Self::Unavailable
            }
            ManageErrorKind::Exceeds => Self::Denied(
                "The key you signed in with may not do this: it lacks a scope that this key has, or ends \
                 before it does."
                    .to_owned(),
            ),
            _ => Self::Denied(sentence(&error.to_string())),
        }
    }
}

impl From<tower_sessions::session::Error> for Refusal {
    fn from(_: tower_sessions::session::Error) -> Self {
        Self::Unavailable
    }
}

/// A cursor or an id that no page of ours holds.
impl From<QueryRejection> for Refusal {
    fn from(_: QueryRejection) -> Self {
        Self::NotFound
    }
}

impl From<PathRejection> for Refusal {
    fn from(_: PathRejection) -> Self {
        Self::NotFound
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, title, text) = self.told();
        let page = Message {
            frame: Frame::outside(),
            title,
            text,
        };
        let mut response = rendered(status, &page);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 5.into());
        }
        response
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame,
    title: &'a str,
    text: &'a str,
}

pub(super) fn rendered(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) fn page(page: &impl Template) -> Response {
    rendered(StatusCode::OK, page)
}

/// A message as a sentence of its own.
pub(super) fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(char::to_uppercase);
    let first: String = first.into_iter().flatten().collect();
    format!("{first}{}.", letters.as_str())
}
