//! PostgreSQL, each store under a prefix of its own on one private server.

use tower_api_key::store::{PostgresOptions, PostgresStore};
use tower_api_key::testing::contract;

use crate::fresh::{self, cached, object, wait};
use crate::postgres_server::PostgresServer;

async fn open(server: &PostgresServer, prefix: &str) -> PostgresStore {
    let options = PostgresOptions::new().with_table_prefix(prefix);
    let store = PostgresStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test]
async fn the_store_keeps_the_contract() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    contract::check(async || open(server, &fresh::name()).await).await;
}

#[tokio::test]
async fn a_cache_over_it_keeps_the_contract() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    contract::check(async || cached(open(server, &fresh::name()).await)).await;
}

#[tokio::test]
async fn the_store_as_an_object_keeps_the_contract() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    contract::check(async || object(open(server, &fresh::name()).await)).await;
}

#[tokio::test]
async fn two_stores_keep_the_contract_of_feeds() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let fresh = async || {
        let prefix = fresh::name();
        (open(server, &prefix).await, open(server, &prefix).await)
    };
    contract::check_feed(fresh, wait).await;
}

#[tokio::test]
async fn two_caches_keep_the_contract_of_feeds() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let fresh = async || {
        let prefix = fresh::name();
        let (here, there) = (open(server, &prefix).await, open(server, &prefix).await);
        (cached(here), cached(there))
    };
    contract::check_feed(fresh, wait).await;
}
