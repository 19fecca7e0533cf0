//! The dashboard of the whole product, as a browser meets it, and as an attacker does.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "dashboard/browser.rs"]
mod browser;
#[path = "../examples/trucustom/dashboard/mod.rs"]
mod dashboard;
#[path = "../examples/trucustom/database/mod.rs"]
mod database;
#[path = "support/heavy.rs"]
mod heavy;
#[cfg(unix)]
#[path = "support/postgres_server.rs"]
mod postgres_server;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "../examples/trucustom/sessions/mod.rs"]
mod sessions;

#[path = "dashboard/attacks.rs"]
mod attacks;
#[path = "dashboard/counted.rs"]
mod counted;
#[path = "dashboard/keys.rs"]
mod keys;
#[path = "dashboard/session_stores.rs"]
mod session_stores;
#[path = "dashboard/signing_in.rs"]
mod signing_in;
