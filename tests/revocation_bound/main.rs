//! How soon a revocation on one node reaches another: two processes over one PostgreSQL, and over
//! one Redis, with requests under way on the other node all the time.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and this one prints figures"
)]

mod clients;
mod figures;
#[path = "../support/heavy.rs"]
mod heavy;
mod measure;
mod node;
#[path = "../support/postgres_server.rs"]
mod postgres_server;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod stores;

fn main() {
    // The second node is this program again.
    if let Ok(url) = std::env::var(node::STORE) {
        return run(node::serve(&url));
    }
    run(measure::all());
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work);
}
