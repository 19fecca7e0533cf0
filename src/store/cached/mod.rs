//! A bounded cache before any store.

pub(crate) mod bounded;
pub(crate) mod changes;
pub(crate) mod core;
pub(crate) mod entry;
pub(crate) mod feed;
pub(crate) mod flight;
pub(crate) mod look_up;
pub(crate) mod observer;
pub(crate) mod options;
pub(crate) mod rate;
pub(crate) mod registry;
pub(crate) mod slots;
pub(crate) mod stats;
pub(crate) mod store;

pub use observer::{CacheEvent, CacheObserver};
pub use options::{CacheOptions, InvalidCacheOptions};
pub use stats::{CacheStats, FeedState};
pub use store::CachedStore;
