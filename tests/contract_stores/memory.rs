//! The cache over the memory store.

use tower_api_key::MemoryStore;
use tower_api_key::store::{CacheOptions, CachedStore};
use tower_api_key::testing::contract;

use crate::fresh::{cached, object, wait};

#[tokio::test]
async fn a_cache_that_listens_keeps_the_contract() {
    contract::check(async || cached(MemoryStore::new())).await;
}

#[tokio::test]
async fn a_cache_without_a_feed_keeps_the_contract() {
    let fresh = async || CachedStore::new(MemoryStore::new(), CacheOptions::new()).unwrap();
    contract::check(fresh).await;
}

#[tokio::test]
async fn a_cache_as_an_object_keeps_the_contract() {
    contract::check(async || object(cached(MemoryStore::new()))).await;
}

#[tokio::test]
async fn two_caches_over_one_store_keep_the_contract_of_feeds() {
    let fresh = async || {
        let store = MemoryStore::new();
        (cached(store.clone()), cached(store))
    };
    contract::check_feed(fresh, wait).await;
}
