//! Problem details (RFC 9457).

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::manage::error::{ManageError, ManageErrorKind};
use crate::record::id::KeyId;

/// What is wrong with a request, as a stable name for programs: the member `code` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemCode {
    /// 400: the body is no JSON text, or is too deep.
    InvalidJson,
    /// 400: query parameters or header fields are wrong; `errors` names them.
    InvalidParameters,
    /// 422: members of the body are wrong; `errors` names them.
    InvalidFields,
    /// 422: the span that `from` and `to` name is too long, or ends before it begins.
    InvalidSpan,
    /// 422: the policy of this server does not allow it; `errors` names the members.
    OutsidePolicy,
    /// 403: the calling key may not give a key what it lacks itself.
    ExceedsCaller,
    /// 404: no such key, as far as the caller may know.
    KeyNotFound,
    /// 404: no such resource.
    NotFound,
    /// 405: the resource has no such method; `Allow` lists those that it has.
    MethodNotAllowed,
    /// 409: a key was made with this `Idempotency-Key`; `key_id` is its id.
    AlreadyIssued,
    /// 409: the state of the key does not allow it: it is revoked, has expired, or has too many secrets.
    KeyState,
    /// 409: the owner has as many keys as are allowed.
    TooManyKeys,
    /// 412: the key has another revision than `If-Match` asks for.
    RevisionMismatch,
    /// 413: the body is longer than 64 KiB.
    BodyTooLarge,
    /// 415: the body is not declared as JSON.
    UnsupportedMediaType,
    /// 503: keys cannot be managed at the moment; a change may have been made all the same.
    Unavailable,
}

impl ProblemCode {
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidJson | Self::InvalidParameters => StatusCode::BAD_REQUEST,
            Self::InvalidFields | Self::InvalidSpan | Self::OutsidePolicy => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::ExceedsCaller => StatusCode::FORBIDDEN,
            Self::KeyNotFound | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::AlreadyIssued | Self::KeyState | Self::TooManyKeys => StatusCode::CONFLICT,
            Self::RevisionMismatch => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::InvalidJson => "expected one well-formed JSON text, of at most 128 levels",
            Self::InvalidParameters => "some query parameters or header fields are wrong",
            Self::InvalidFields => "some members of the body are wrong",
            Self::InvalidSpan => "expected from before to, and at most 92 days between them",
            Self::OutsidePolicy => "the policy of this server does not allow it",
            Self::ExceedsCaller => "a key may give no key what it lacks itself",
            Self::KeyNotFound => "no such key",
            Self::NotFound => "no such resource",
            Self::MethodNotAllowed => "the resource has no such method",
            Self::AlreadyIssued => "a key was made with this Idempotency-Key",
            Self::KeyState => "the state of the key does not allow it",
            Self::TooManyKeys => "the owner has as many keys as are allowed",
            Self::RevisionMismatch => "the key has another revision than If-Match asks for",
            Self::BodyTooLarge => "expected a body of at most 65,536 octets",
            Self::UnsupportedMediaType => "expected a body with Content-Type: application/json",
            Self::Unavailable => {
                "keys cannot be managed at the moment; a change may have been made all the same"
            }
        }
    }
}

/// One answer to a request that cannot be served: problem details of RFC 9457.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Problem {
    /// Says nothing beyond the status.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The name of the status.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A stable name for programs.
    code: ProblemCode,
    /// What is wrong, for people.
    detail: Cow<'static, str>,
    /// The fields that are wrong, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The key that was made before, with the code `already_issued`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    key_id: Option<KeyId>,
}

impl Problem {
    pub(super) fn new(code: ProblemCode) -> Self {
        let status = code.status();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code,
            detail: code.detail().into(),
            errors: Vec::new(),
            key_id: None,
        }
    }

    pub(super) fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.code.status()
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        let code = match error.kind() {
            ManageErrorKind::InvalidInput => ProblemCode::InvalidFields,
            ManageErrorKind::NotFound => ProblemCode::KeyNotFound,
            ManageErrorKind::Refused => ProblemCode::KeyState,
            ManageErrorKind::RevisionMismatch => ProblemCode::RevisionMismatch,
            ManageErrorKind::TooManyKeys => ProblemCode::TooManyKeys,
            ManageErrorKind::AlreadyIssued => ProblemCode::AlreadyIssued,
            ManageErrorKind::Exceeds => ProblemCode::ExceedsCaller,
            ManageErrorKind::OutsidePolicy => ProblemCode::OutsidePolicy,
            ManageErrorKind::ClockUnset | ManageErrorKind::Randomness | ManageErrorKind::Store => {
                return Self::new(ProblemCode::Unavailable);
            }
        };
        let mut problem = Self::new(code);
        problem.key_id = error.key_id();
        if let Some(field) = error.field() {
            let of_field = match code {
                ProblemCode::InvalidFields => FieldErrorCode::Value,
                _ => FieldErrorCode::Policy,
            };
            let error = FieldError::new(format!("/{field}"), of_field, error.to_string());
            problem.errors.push(error);
        }
        problem
    }
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub(super) struct FieldError {
    /// A member of the body as a JSON pointer (RFC 6901), the empty one for the body as a whole; or
    /// the name of a query parameter or header field.
    pub(super) field: Cow<'static, str>,
    /// A stable name for programs.
    pub(super) code: FieldErrorCode,
    /// What was expected, for people.
    pub(super) message: Cow<'static, str>,
}

/// What is wrong with a field, as a stable name for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FieldErrorCode {
    Missing,
    Unknown,
    Duplicate,
    Type,
    Value,
    Policy,
}

impl FieldError {
    pub(super) fn new(
        field: impl Into<Cow<'static, str>>,
        code: FieldErrorCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: field.into(),
            code,
            message: message.into(),
        }
    }

    pub(super) fn value(field: &'static str, message: impl fmt::Display) -> Self {
        Self::new(field, FieldErrorCode::Value, message.to_string())
    }
}
