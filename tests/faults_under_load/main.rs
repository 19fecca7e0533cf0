//! Servers that die, freeze and drop connections, again and again, while 64 clients send valid,
//! revoked and unknown keys: nobody is let in who should not be, no valid key is called invalid,
//! and everything works again without a restart of ours.

#![cfg(all(feature = "cache", feature = "postgres", feature = "redis"))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and this one prints figures"
)]

mod clients;
mod faults;
#[path = "../support/heavy.rs"]
mod heavy;
#[path = "../support/postgres_server.rs"]
mod postgres_server;
#[path = "../support/redis_server.rs"]
mod redis_server;

use std::sync::{Arc, Mutex};

use faults::{Cached, strike};
use postgres_server::PostgresServer;
use redis_server::RedisServer;
use tower_api_key::store::{PostgresStore, RedisStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    strike("postgres", Arc::new(server), store, Cached::No).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_behind_a_cache() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    strike("postgres, cached", Arc::new(server), store, Cached::Yes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    strike("redis", Arc::new(Mutex::new(server)), store, Cached::No).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_behind_a_cache() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    strike(
        "redis, cached",
        Arc::new(Mutex::new(server)),
        store,
        Cached::Yes,
    )
    .await;
}
