//! Keys in Redis: what a store promises, changes that race, the feed, and every way to fail.
//! Each test has a private server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "redis", feature = "test-util"))]

#[path = "redis/corrupt.rs"]
mod corrupt;
#[path = "redis/errors.rs"]
mod errors;
#[path = "redis/failover.rs"]
mod failover;
#[path = "redis/faults.rs"]
mod faults;
#[path = "redis/feed.rs"]
mod feed;
#[path = "redis/kit.rs"]
mod kit;
#[path = "redis/life.rs"]
mod life;
#[path = "redis/races.rs"]
mod races;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "redis/rights.rs"]
mod rights;
#[path = "redis/tls.rs"]
mod tls;
#[path = "redis/trail.rs"]
mod trail;
#[path = "redis/usage.rs"]
mod usage;
