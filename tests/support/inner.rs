//! Inner services.

use std::convert::Infallible;
use std::future::{self, Ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, Response};
use http_body_util::Full;
use tower::Service;
use tower_api_key::Identity;

use super::{Answered, Sent};

/// Answers `inner-ok`, counts its calls, keeps the head of the last request, and panics when it is
/// called without having been polled ready.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    ready: bool,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    calls: AtomicUsize,
    headers: Mutex<HeaderMap>,
    extensions: Mutex<Extensions>,
}

impl Seen {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The headers of the last request.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.headers.lock().unwrap().clone()
    }

    /// The identity in the last request.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.extensions.lock().unwrap().get::<Identity>().cloned()
    }
}

impl Probe {
    pub(crate) fn new() -> (Self, Arc<Seen>) {
        let probe = Self::default();
        let seen = probe.seen.clone();
        (probe, seen)
    }
}

/// A clone has not been polled ready.
impl Clone for Probe {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            seen: self.seen.clone(),
        }
    }
}

impl Service<Sent> for Probe {
    type Response = Answered;
    type Error = Infallible;
    type Future = Ready<Result<Answered, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Sent) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        self.seen.calls.fetch_add(1, Ordering::SeqCst);
        let (parts, _) = request.into_parts();
        *self.seen.headers.lock().unwrap() = parts.headers;
        *self.seen.extensions.lock().unwrap() = parts.extensions;
        future::ready(Ok(Response::new(Full::from("inner-ok"))))
    }
}
