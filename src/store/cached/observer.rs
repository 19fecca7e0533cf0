//! What a cache tells of itself.

use std::sync::Arc;

use crate::record::id::KeyId;
use crate::store::contract::error::StoreErrorKind;

/// Is told when a cache loses the feed of changes, and when it answers from memory because the
/// store fails.
///
/// It is called on the way of a request or of the feed, so it must be quick, must not block, and
/// must not call the store. No lock of the cache is held, and a panic is contained. A closure
/// `Fn(CacheEvent)` is an observer; `()` does nothing.
pub trait CacheObserver: Send + Sync + 'static {
    /// Notes an event.
    fn event(&self, event: CacheEvent);
}

/// What a cache tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheEvent {
    /// Changes may go untold: the feed said so, or gave no proof for longer than the fallback
    /// time to live, which was noticed at a look-up.
    FeedLost,
    /// Changes are told again.
    FeedRestored,
    /// The store failed, and a record that is out of date answered in its place.
    Stale {
        /// The key.
        id: KeyId,
        /// How the store failed.
        failure: StoreErrorKind,
    },
}

impl CacheObserver for () {
    fn event(&self, _: CacheEvent) {}
}

impl<F: Fn(CacheEvent) + Send + Sync + 'static> CacheObserver for F {
    fn event(&self, event: CacheEvent) {
        self(event);
    }
}

impl<T: CacheObserver + ?Sized> CacheObserver for Arc<T> {
    fn event(&self, event: CacheEvent) {
        (**self).event(event);
    }
}
