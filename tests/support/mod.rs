//! What the behaviour tests share: keys, requests, answers, inner services and stores with a will
//! of their own.
#![allow(dead_code, reason = "each test crate uses a part of it")]

pub(crate) mod answer;
pub(crate) mod changes;
pub(crate) mod inner;
pub(crate) mod server;
pub(crate) mod stores;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use answer::Answer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceExt};
pub(crate) use tower_api_key::IssuedKey;
use tower_api_key::clock::ManualClock;
use tower_api_key::denial::DenialKind;
use tower_api_key::observe::{Access, Decision, Observer};
use tower_api_key::{KeyManager, MemoryStore, NewKey, ScopeSet};

pub(crate) type Keys = KeyManager<MemoryStore>;
pub(crate) type Sent = Request<Full<Bytes>>;
pub(crate) type Answered = Response<Full<Bytes>>;

/// When the tests with a manual clock begin.
pub(crate) const START: &str = "2026-01-01T00:00:00Z";

/// A key of the right format that nobody issued.
pub(crate) const UNKNOWN: &str =
    "tc_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

pub(crate) fn keys() -> Keys {
    KeyManager::new(MemoryStore::new())
}

/// A manager and the clock that it goes by.
pub(crate) fn timed_keys() -> (Keys, ManualClock) {
    let clock = ManualClock::at(START.parse().unwrap());
    (keys().with_clock(clock.clone()), clock)
}

pub(crate) async fn issue(keys: &Keys, scopes: impl Into<ScopeSet>) -> IssuedKey {
    let new = NewKey::new("acct_42", "CI").with_scopes(scopes);
    keys.issue(new).await.unwrap()
}

/// A request for `/items` with these header lines.
pub(crate) fn request(method: &str, lines: &[(&str, &str)]) -> Sent {
    request_to(method, "/items", lines)
}

pub(crate) fn request_to(method: &str, target: &str, lines: &[(&str, &str)]) -> Sent {
    let builder = Request::builder().method(method).uri(target);
    lines
        .iter()
        .fold(builder, |builder, (name, value)| {
            builder.header(*name, *value)
        })
        .body(Full::default())
        .unwrap()
}

/// A GET request with this key in `X-API-Key`.
pub(crate) fn get(key: &str) -> Sent {
    request("GET", &[("x-api-key", key)])
}

/// Sends one request, once the service is ready.
pub(crate) async fn send<S>(service: &mut S, request: Sent) -> Answer
where
    S: Service<Sent, Response = Answered>,
    S::Error: Debug,
{
    let ready = service.ready().await.unwrap();
    Answer::of(ready.call(request).await.unwrap()).await
}

/// Notes every decision in one word.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
    fn decided(&self, decision: &Decision<'_>) {
        let word = match decision.outcome() {
            Ok(Access::Key(identity)) => format!("key of {}", identity.owner()),
            Ok(access) => format!("{access:?}"),
            Err(denial) => format!("{:?}", denial.kind()),
        };
        self.0.lock().unwrap().push(word);
    }
}

/// The answer that a client gets to a refusal of this kind: status, error and message.
pub(crate) fn told(kind: DenialKind) -> (u16, &'static str, &'static str) {
    match kind {
        DenialKind::Ambiguous | DenialKind::Conflicting => (
            400,
            "Bad Request",
            "Expected exactly one API key in exactly one header line.",
        ),
        DenialKind::NotPermitted => (
            403,
            "Forbidden",
            "This action is not permitted with any API key.",
        ),
        DenialKind::InsufficientScope => (
            403,
            "Forbidden",
            "This action requires the 'write' scope, which this API key lacks.",
        ),
        DenialKind::StoreFailed | DenialKind::Panicked | DenialKind::ClockUnset => (
            503,
            "Service Unavailable",
            "API keys cannot be verified at the moment. Try again later.",
        ),
        _ => (401, "Unauthorized", "Invalid or missing API key."),
    }
}
