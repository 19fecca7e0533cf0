//! Decisions as `tracing` events.

use std::error::Error;
use std::fmt;

use http::Method;
use tracing::{Level, event};

use super::decision::{Access, Decision};
use super::observer::Observer;
use crate::denial::DenialClass;

/// Writes one `tracing` event for every decision.
///
/// | level | decision | fields |
/// | --- | --- | --- |
/// | DEBUG | let through | `method`, `access`; of a key: `key_id`, `owner` |
/// | INFO | refused | `method`, `reason`, and `key_id` where the key is known |
/// | ERROR | refused because the store or the clock failed | also `cause`, with the errors that it came from |
///
/// No event holds a key, a digest, or the target of the request, where clients put keys by
/// mistake; a `TraceLayer` around this layer tells which request it was. A method that is none of
/// the common ones, of which clients choose every letter, is `other`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingObserver;

impl TracingObserver {
    /// An observer that writes to the current `tracing` subscriber.
    pub const fn new() -> Self {
        Self
    }
}

impl Observer for TracingObserver {
    fn decided(&self, decision: &Decision<'_>) {
        let method = shown(decision.head().method());
        match decision.outcome() {
            Ok(Access::Key(identity)) => event!(
                Level::DEBUG,
                %method,
                access = "key",
                key_id = %identity.key_id(),
                owner = identity.owner(),
                "request authenticated"
            ),
            Ok(Access::Anonymous) => {
                event!(Level::DEBUG, %method, access = "anonymous", "request let through");
            }
            Ok(Access::PublicPath) => {
                event!(Level::DEBUG, %method, access = "public path", "request let through");
            }
            Ok(Access::Preflight) => {
                event!(Level::DEBUG, %method, access = "preflight", "request let through");
            }
            Err(denial) => {
                let key_id = denial.key_id().map(tracing::field::display);
                if denial.class() == DenialClass::Fault {
                    let cause = denial
                        .source()
                        .map(|source| tracing::field::display(Chain(source)));
                    event!(Level::ERROR, %method, reason = %denial, key_id, cause, "request refused");
                } else {
                    event!(Level::INFO, %method, reason = %denial, key_id, "request refused");
                }
            }
        }
    }
}

/// The name of a method, unless the client may have made it up.
fn shown(method: &Method) -> &str {
    if COMMON.contains(method) {
        method.as_str()
    } else {
        "other"
    }
}

/// The methods of RFC 9110, section 9, and PATCH (RFC 5789).
const COMMON: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// An error and what it came from, each after a colon.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
