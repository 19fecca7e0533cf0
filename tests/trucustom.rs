//! The whole product: its commands, its starts on every store, and its ends.
#![cfg(all(feature = "full", unix))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "examples/mod.rs"]
mod examples;
#[path = "support/postgres_tls_server.rs"]
mod postgres_tls_server;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "support/postgres_server.rs"]
mod server;

#[path = "trucustom/client.rs"]
mod client;
#[path = "trucustom/corrupt.rs"]
mod corrupt;
#[path = "trucustom/crash.rs"]
mod crash;
#[path = "trucustom/example_client.rs"]
mod example_client;
#[path = "trucustom/faults.rs"]
mod faults;
#[path = "trucustom/file.rs"]
mod file;
#[path = "support/heavy.rs"]
mod heavy;
#[path = "trucustom/max_keys.rs"]
mod max_keys;
#[path = "trucustom/no_database.rs"]
mod no_database;
#[path = "trucustom/shell.rs"]
mod shell;
#[path = "trucustom/starts.rs"]
mod starts;
#[path = "trucustom/stops.rs"]
mod stops;
