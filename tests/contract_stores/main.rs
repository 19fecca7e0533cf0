//! The contract suite on the durable stores, each by itself and behind the cache.
#![cfg(all(feature = "cache", feature = "test-util"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each store uses a part of it")]
mod fresh;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
#[path = "../support/postgres_server.rs"]
mod postgres_server;
#[cfg(feature = "redis")]
#[path = "../support/redis_server.rs"]
mod redis_server;
