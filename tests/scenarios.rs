//! The scenarios of `cases/scenarios.jsonl`: what takes several steps, a fault, a clock or a race.
//!
//! A test is named after its scenario. `ledger` proves that every scenario has one, or is pending
//! with a reason. Three scenarios need a process of their own: see `constant_time.rs`, `fork.rs`
//! and `zeroize.rs`.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "support/heavy.rs"]
mod heavy;
#[cfg(feature = "postgres")]
#[path = "support/postgres_server.rs"]
mod postgres_server;
#[cfg(feature = "redis")]
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "support/cases/scenarios/mod.rs"]
mod scenarios;
#[allow(dead_code, reason = "shared with cases.rs")]
#[path = "support/cases/mod.rs"]
mod support;
