//! What a responder answers to.

use std::borrow::Cow;
use std::fmt;

use http::header::{
    CACHE_CONTROL, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use super::challenge::Challenges;
use crate::denial::{Denial, DenialClass};
use crate::policy::head::RequestHead;
use crate::scope::name::Scope;

/// A refused request, for a [`Respond`](super::respond::Respond) to answer.
///
/// What the texts here tell may be told to the client; the [`Denial`]'s kind may not.
#[derive(Clone, Copy)]
pub struct Refusal<'a> {
    denial: &'a Denial,
    head: RequestHead<'a>,
    challenges: &'a Challenges,
}

impl<'a> Refusal<'a> {
    pub(super) fn new(
        denial: &'a Denial,
        head: RequestHead<'a>,
        challenges: &'a Challenges,
    ) -> Self {
        Self {
            denial,
            head,
            challenges,
        }
    }

    /// Why the request was refused.
    pub fn denial(&self) -> &'a Denial {
        self.denial
    }

    /// The head of the request, without the credentials.
    pub fn head(&self) -> &RequestHead<'a> {
        &self.head
    }

    /// The status: 400, 401, 403 or 503.
    pub fn status(&self) -> StatusCode {
        self.denial.status()
    }

    /// The value of `WWW-Authenticate` that goes with 400, 401 and 403.
    pub fn challenge(&self) -> Option<HeaderValue> {
        self.challenges.of(self.denial)
    }

    /// The value of `Retry-After`, in seconds, that goes with 503.
    pub fn retry_after(&self) -> Option<u32> {
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS)
    }

    /// The headers of every answer of ours in HTTP, whatever its content.
    pub(super) fn headers(&self) -> HeaderMap {
        // Room for these, a type of content and what the layer adds.
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CACHE_CONTROL, NO_STORE);
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers
    }

    /// The name of the error, such as `Unauthorized`.
    pub fn error(&self) -> &'static str {
        self.status().canonical_reason().unwrap_or("Error")
    }

    /// What the client should know.
    pub fn message(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.denial.class() {
            DenialClass::NoKey | DenialClass::BadKey => "Invalid or missing API key.",
            DenialClass::Unclear => "Expected exactly one API key in exactly one header line.",
            DenialClass::LacksScope => return Cow::Owned(self.scope_message()),
            DenialClass::NotPermitted => "This action is not permitted with any API key.",
            DenialClass::Fault => "API keys cannot be verified at the moment. Try again later.",
        })
    }

    fn scope_message(&self) -> String {
        let scopes = self.denial.missing_scopes();
        let names: Vec<_> = scopes.iter().map(Scope::as_str).collect();
        let plural = if names.len() == 1 { "" } else { "s" };
        let names = names.join("' and '");
        format!("This action requires the '{names}' scope{plural}, which this API key lacks.")
    }
}

/// How long a client should wait while keys cannot be verified, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

impl fmt::Debug for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("denial", self.denial)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
