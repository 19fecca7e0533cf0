//! The second node: a process with a server, behind the layer, whose store is cached.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tower_api_key::ApiKeyLayer;
use tower_api_key::store::{CacheOptions, CachedStore};

use super::stores;

/// The variable that tells the second process its store.
pub(crate) const STORE: &str = "REVOCATION_BOUND_STORE";

/// How long the second node answers from its cache while its feed proves nothing.
pub(crate) const FALLBACK: Duration = Duration::from_secs(2);

/// A running second node, which ends with this value.
pub(crate) struct Node {
    process: Child,
    address: SocketAddr,
}

impl Node {
    pub(crate) fn start(store: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(STORE, store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap();
        Self { process, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until the first process is gone.
pub(crate) async fn serve(url: &str) {
    let options = CacheOptions::new().with_fallback_time_to_live(FALLBACK);
    let store = CachedStore::watching(stores::open(url).await, options).unwrap();
    let app = Router::new()
        .route("/items", get(|| async { "ok" }))
        .layer(ApiKeyLayer::new(store));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
    axum::serve(listener, app).await.unwrap();
}
