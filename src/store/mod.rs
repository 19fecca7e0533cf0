//! Where keys are kept.
//!
//! [`KeyStore`] is the read side, all that the middleware needs. [`KeyRegistry`] adds the write side,
//! for whoever issues and changes keys. [`AuditLog`] reads the audit trail of these changes, and
//! [`UsageStore`] counts requests. [`MemoryStore`] implements all four, which makes it a [`Store`]. Two decorators wrap a store:
//! `TimeoutStore` (feature `tokio`) bounds every wait, and `CachedStore` (feature `cache`) remembers
//! lookups.
//!
//! # A store of your own
//!
//! One method is required. The [`Verifier`](crate::verify::Verifier) checks digest, revocation and
//! expiration itself, whatever the store returns, so this is a correct store:
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

#[cfg(feature = "tokio")]
pub(crate) mod backoff;
#[cfg(feature = "cache")]
pub(crate) mod cached;
pub(crate) mod contain;
pub(crate) mod contract;
pub(crate) mod generation;
pub(crate) mod memory;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub(crate) mod prefix;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod replica;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(feature = "tokio")]
pub(crate) mod timeout;

#[cfg(feature = "cache")]
pub use cached::{
    CacheEvent, CacheObserver, CacheOptions, CacheStats, CachedStore, FeedState,
    InvalidCacheOptions,
};
pub use contract::audit::{AuditLog, AuditPage, AuditPageRequest};
pub use contract::error::{StoreError, StoreErrorKind};
pub use contract::feed::{ChangeFeed, FeedEvent, FeedListener};
pub use contract::key_store::KeyStore;
pub use contract::page::{KeyFilter, KeyPage, PageRequest};
pub use contract::registry::KeyRegistry;
pub use contract::store::Store;
pub use contract::usage::{KeyUse, UsageBatch, UsageBucket, UsageStore};
pub use contract::write::{ActingKey, Commit, Insert, Inserted};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
#[cfg(feature = "tokio")]
pub use timeout::TimeoutStore;
