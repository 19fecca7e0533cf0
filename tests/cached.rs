//! The cache: who asks the store, what is remembered, and for how long; time is paused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "cache", feature = "test-util"))]

mod support;

#[path = "cached/changes.rs"]
mod changes;
#[path = "cached/feed.rs"]
mod feed;
#[path = "cached/kit.rs"]
mod kit;
#[path = "cached/life.rs"]
mod life;
#[path = "cached/look_ups.rs"]
mod look_ups;
#[path = "cached/options.rs"]
mod options;
#[path = "cached/registry.rs"]
mod registry;
#[path = "cached/stale.rs"]
mod stale;
