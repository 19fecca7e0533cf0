//! The contract suite on the stores that need no server.
#![cfg(feature = "test-util")]

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use tower_api_key::store::DeadlineStore;
use tower_api_key::testing::contract;
use tower_api_key::{KeyRegistry, MemoryStore};

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
        let store: Arc<dyn KeyRegistry> = Arc::new(MemoryStore::new());
        store
    }));
}

#[tokio::test]
async fn a_bounded_store_keeps_the_contract() {
    contract::check(async || DeadlineStore::new(MemoryStore::new(), Duration::from_secs(60))).await;
}

#[test]
fn the_memory_store_keeps_the_contract_of_feeds() {
    let fresh = async || {
        let store = MemoryStore::new();
        (store.clone(), store)
    };
    block_on(contract::check_feed(fresh, async || {}));
}
