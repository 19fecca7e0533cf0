//! The contract suite on the stores that need no server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use tower_api_key::MemoryStore;
#[cfg(feature = "cache")]
use tower_api_key::store::{CacheOptions, CachedStore};
use tower_api_key::store::{Store, TimeoutStore};
use tower_api_key::testing::contract;
#[cfg(feature = "cache")]
use tower_api_key::testing::{Fault, FaultyStore};

#[test]
fn the_memory_store_keeps_the_contract() {
    block_on(contract::check(async || MemoryStore::new()));
}

#[test]
fn a_shared_store_keeps_the_contract() {
    block_on(contract::check(async || Arc::new(MemoryStore::new())));
}

#[test]
fn a_store_of_any_kind_keeps_the_contract() {
    block_on(contract::check(async || {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        store
    }));
}

#[tokio::test]
async fn a_bounded_store_keeps_the_contract() {
    contract::check(async || TimeoutStore::new(MemoryStore::new(), Duration::from_secs(60))).await;
}

#[test]
fn the_memory_store_keeps_the_contract_of_feeds() {
    let fresh = async || {
        let store = MemoryStore::new();
        (store.clone(), store)
    };
    block_on(contract::check_feed(fresh, async || {}));
}

/// Behind a cache that is told of changes and one that is not, a store that must be waited for.
#[cfg(feature = "cache")]
#[tokio::test(start_paused = true)]
async fn a_cache_keeps_the_contract() {
    let slow = || {
        let delay = Fault::Delay(Duration::from_millis(1));
        FaultyStore::new(MemoryStore::new(), 1)
            .with_lookup_fault(delay, 100)
            .with_change_fault(delay, 100)
    };
    contract::check(async || CachedStore::new(slow(), CacheOptions::new()).unwrap()).await;
    contract::check(async || CachedStore::watching(slow(), CacheOptions::new()).unwrap()).await;
}
