//! Usage: how often each key is let in and refused, and when it was last used.
//!
//! A [`UsageMonitor`] counts every decision of a layer. On the request's way that is one atomic step
//! in a table of the thread's own, and a second one where a scope is new since the last collection:
//! no lock, no clock, no allocation, and nothing that two cores wait for. A `UsageFlusher` (feature
//! `tokio`) writes the counts to the store, every 10 seconds and when it is shut down; a slow or
//! failing store never touches a request.
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_api_key::usage::{UsageFlusher, UsageFlusherOptions, UsageMonitor};
//! use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore};
//!
//! let keys = KeyManager::new(MemoryStore::new());
//! let monitor = UsageMonitor::new();
//! let options = UsageFlusherOptions::new();
//! let flusher = UsageFlusher::spawn(monitor.clone(), keys.store().clone(), options)?;
//! let layer = ApiKeyLayer::new(keys.store().clone()).with_usage(monitor.clone());
//!
//! // … serve, and when the server has stopped:
//! flusher.shutdown().await?;
//! # Ok(()) }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! Without a runtime, [`UsageMonitor::drain`] gives the counts to whoever writes them.
//!
//! # What is counted
//!
//! - For each key and secret version: requests that were let in, and requests that were refused for
//!   a scope. These go to the store, in sums of an hour, with the time of the last.
//! - For each key: which scopes it exercised, to the hour. A scope is exercised by a request that is
//!   let in and whose policy asks for it. That goes to the store too.
//! - For each other reason for a refusal: how often it was given, in this process
//!   ([`UsageMonitor::stats`]). Nothing of what was sent is kept.
//!
//! A request counts once, when its response comes out of the inner service. Where
//! [`RequireScope`](crate::middleware::RequireScope) or the axum extractor denies what the layer allowed, it
//! counts as denied. What is asked for behind the layer is exercised only if the monitor is told: by
//! [`RequireScope::with_usage`](crate::middleware::RequireScope::with_usage), or where a handler looks
//! at an identity's scopes, by [`UsageMonitor::exercise`].
//!
//! # Times
//!
//! Counts have no time of their own: they are dated when they are collected, which the flusher does
//! every second and at each full hour. So a last use is told up to a second late, and a use in the
//! second after a full hour may count for the hour before.

#[cfg(feature = "tokio")]
pub(crate) mod error;
#[cfg(feature = "tokio")]
mod flush;
#[cfg(feature = "tokio")]
pub(crate) mod flusher;
mod local;
pub(crate) mod monitor;
#[cfg(feature = "tokio")]
pub(crate) mod observer;
#[cfg(feature = "tokio")]
pub(crate) mod options;
#[cfg(feature = "tokio")]
mod pending;
mod scopes;
mod shard;
mod slot;
mod spill;
pub(crate) mod stats;

#[cfg(feature = "tokio")]
pub use error::{UsageFlusherError, UsageNotWritten};
#[cfg(feature = "tokio")]
pub use flusher::UsageFlusher;
pub use monitor::UsageMonitor;
#[cfg(feature = "tokio")]
pub use observer::{UsageEvent, UsageObserver};
#[cfg(feature = "tokio")]
pub use options::UsageFlusherOptions;
#[cfg(feature = "tokio")]
pub use stats::FlusherStats;
pub use stats::UsageStats;
