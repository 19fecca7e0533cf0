//! The contract suite on the durable stores, each by itself and behind the cache.
#![cfg(all(
    feature = "cache",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite",
    feature = "test-util"
))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fresh;
mod memory;
mod postgres;
mod redis;
mod sqlite;

#[path = "../support/postgres_server.rs"]
mod postgres_server;
#[path = "../support/redis_server.rs"]
mod redis_server;
