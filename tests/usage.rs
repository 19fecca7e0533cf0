//! Usage: what is counted, and how it gets to the store. Where a flusher runs, time is paused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

mod support;

#[path = "usage/exercised.rs"]
mod exercised;
#[path = "usage/flusher.rs"]
mod flusher;
#[path = "usage/kit.rs"]
mod kit;
#[path = "usage/layer.rs"]
mod layer;
#[path = "usage/monitor.rs"]
mod monitor;
#[path = "usage/trouble.rs"]
mod trouble;
