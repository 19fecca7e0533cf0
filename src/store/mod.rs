//! Where keys are kept.
//!
//! [`KeyStore`] is the read side, all that the middleware sees. [`KeyRegistry`] adds the write
//! side, for whoever issues and changes keys, with the audit trail of changes and the counts of uses;
//! what a change makes of a key is told by [`Transition`]. [`MemoryStore`] is both. `DeadlineStore` (feature
//! `tokio`) bounds every wait for another store, and `CachedStore` (feature `cache`) asks it only
//! for what it does not remember.
//!
//! # A store of your own
//!
//! One method is required. The [`Verifier`](crate::verify::Verifier) checks digest, revocation and
//! expiry itself, whatever the store returns, so this is a correct store:
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Arc;
//! use tower_api_key::key::KeyDigest;
//! use tower_api_key::record::KeyRecord;
//! use tower_api_key::store::{KeyStore, StoreError};
//!
//! struct Mine(HashMap<KeyDigest, Arc<KeyRecord>>);
//!
//! #[async_trait::async_trait]
//! impl KeyStore for Mine {
//!     async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
//!         Ok(self.0.get(digest).cloned())
//!     }
//! }
//! ```

pub(crate) mod audit_page;
#[cfg(feature = "tokio")]
pub(crate) mod backoff;
#[cfg(feature = "cache")]
pub(crate) mod cached;
pub(crate) mod contain;
#[cfg(feature = "tokio")]
pub(crate) mod deadline;
pub(crate) mod digests;
pub(crate) mod error;
pub(crate) mod feed;
pub(crate) mod generation;
pub(crate) mod index;
mod journal;
pub(crate) mod key_store;
mod ledger;
pub(crate) mod memory;
pub(crate) mod page;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub(crate) mod prefix;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod registry;
pub(crate) mod replica;
pub(crate) mod scope_use;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
pub(crate) mod transition;
pub(crate) mod usage;

pub use audit_page::{AuditPage, AuditPageRequest};
#[cfg(feature = "cache")]
pub use cached::{
    CacheEvent, CacheObserver, CacheOptions, CacheStats, CachedStore, FeedState,
    InvalidCacheOptions,
};
#[cfg(feature = "tokio")]
pub use deadline::DeadlineStore;
pub use error::{StoreError, StoreErrorKind};
pub use feed::{ChangeFeed, FeedEvent, FeedListener};
pub use key_store::KeyStore;
pub use memory::MemoryStore;
pub use page::{KeyPage, PageRequest};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisStore};
pub use registry::KeyRegistry;
pub use scope_use::ScopeUse;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
pub use transition::Transition;
pub use usage::{KeyUse, UsageBatch, UsageBucket};
