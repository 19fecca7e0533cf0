//! SQLite, each store in a file of its own.

use std::path::{Path, PathBuf};

use tower_api_key::store::SqliteStore;
use tower_api_key::testing::contract;

use crate::fresh::{self, cached, object, wait};

/// A directory that ends with this value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let name = format!("contract-{}-{}", std::process::id(), fresh::name());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    async fn store(&self) -> SqliteStore {
        open(&self.0.join(fresh::name())).await
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn open(path: &Path) -> SqliteStore {
    let store = SqliteStore::connect(path.to_str().unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test]
async fn the_store_keeps_the_contract() {
    let directory = Directory::new();
    contract::check(async || directory.store().await).await;
}

#[tokio::test]
async fn a_cache_over_it_keeps_the_contract() {
    let directory = Directory::new();
    contract::check(async || cached(directory.store().await)).await;
}

#[tokio::test]
async fn the_store_as_an_object_keeps_the_contract() {
    let directory = Directory::new();
    contract::check(async || object(directory.store().await)).await;
}

#[tokio::test]
async fn two_stores_of_one_file_keep_the_contract_of_feeds() {
    let directory = Directory::new();
    let fresh = async || {
        let path = directory.0.join(fresh::name());
        (open(&path).await, open(&path).await)
    };
    contract::check_feed(fresh, wait).await;
}

#[tokio::test]
async fn two_caches_of_one_file_keep_the_contract_of_feeds() {
    let directory = Directory::new();
    let fresh = async || {
        let path = directory.0.join(fresh::name());
        (cached(open(&path).await), cached(open(&path).await))
    };
    contract::check_feed(fresh, wait).await;
}
