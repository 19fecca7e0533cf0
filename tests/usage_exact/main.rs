//! What the store has counted is what clients were answered, to the last request: four server
//! processes over one PostgreSQL, a process that is killed, and a store that is away.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and this one prints figures"
)]

#[path = "../support/heavy.rs"]
mod heavy;
mod keys;
mod load;
mod node;
#[path = "../support/postgres_server.rs"]
mod postgres_server;
mod proofs;

fn main() {
    // The servers are this program again.
    if let Ok(url) = std::env::var(node::STORE) {
        return run(node::serve(&url));
    }
    let Some(server) = postgres_server::PostgresServer::start() else {
        return;
    };
    run(proofs::all(&server));
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work);
}
