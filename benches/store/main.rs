//! What a look-up costs in each durable store, against the raw query of its library for the same
//! row in the same run; what a cache hit costs over each, against the memory store; and how fast
//! keys are imported.
//!
//! `KEYS` sets how many keys each store holds (default 10,000), `LOOK_UPS` how many look-ups each
//! figure is taken from (default 20,000).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench fails by panicking, and prints figures"
)]

mod keys;
mod memory;
mod postgres;
mod redis;
mod report;
mod sqlite;
mod timing;

#[path = "../../tests/support/postgres_server.rs"]
mod postgres_server;
#[path = "../../tests/support/redis_server.rs"]
mod redis_server;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo test` runs benches to see that they work, not for their figures.
    let keys = number("KEYS", 10_000);
    let look_ups = number("LOOK_UPS", 20_000);
    println!("{keys} keys, {look_ups} look-ups a figure");
    memory::growth(keys, look_ups);
    sqlite::run(keys, look_ups).await;
    postgres::run(keys, look_ups).await;
    redis::run(keys, look_ups).await;
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}
