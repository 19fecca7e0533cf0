//! What every store's tests need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tower_api_key::store::{CacheOptions, CachedStore, ChangeFeed, KeyStore, Store};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A name that nothing else has.
pub(crate) fn name() -> String {
    format!("fresh{}_", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The store behind a cache that listens to it.
pub(crate) fn cached<S: KeyStore + ChangeFeed + Clone + 'static>(store: S) -> CachedStore<S> {
    CachedStore::watching(store, CacheOptions::new()).unwrap()
}

/// Lets a feed's tasks go on.
pub(crate) async fn wait() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// The store as an object.
pub(crate) fn object(store: impl Store + 'static) -> Arc<dyn Store> {
    Arc::new(store)
}
