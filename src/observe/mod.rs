//! Events: who was let in, who was refused, and why.
//!
//! An [`Observer`] is told of every decision. A closure is one:
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use tower_api_key::observe::{Decision, Observer};
//!
//! static REFUSED: AtomicU64 = AtomicU64::new(0);
//!
//! let observer = |decision: &Decision<'_>| {
//!     if decision.denial().is_some() {
//!         REFUSED.fetch_add(1, Ordering::Relaxed);
//!     }
//! };
//! # fn check(_: impl Observer) {}
//! # check(observer);
//! ```

pub(crate) mod decision;
pub(crate) mod observer;
#[cfg(feature = "tracing")]
pub(crate) mod tracing;

pub use decision::{Access, Decision};
pub use observer::Observer;
#[cfg(feature = "tracing")]
pub use tracing::TracingObserver;
