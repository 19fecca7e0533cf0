//! Keys in an SQLite file: their life, what other processes do to the file, and everything that
//! can be wrong with it.
#![cfg(all(feature = "sqlite", feature = "test-util", unix))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "sqlite/audit.rs"]
mod audit;
#[path = "sqlite/bounds.rs"]
mod bounds;
#[path = "sqlite/conditions.rs"]
mod conditions;
#[path = "sqlite/errors.rs"]
mod errors;
#[path = "sqlite/feed.rs"]
mod feed;
#[path = "sqlite/files.rs"]
mod files;
#[path = "sqlite/full.rs"]
mod full;
#[path = "sqlite/kit.rs"]
mod kit;
#[path = "sqlite/life.rs"]
mod life;
#[path = "sqlite/processes.rs"]
mod processes;
#[path = "sqlite/races.rs"]
mod races;
#[path = "sqlite/rows.rs"]
mod rows;
#[path = "sqlite/usage.rs"]
mod usage;
