//! The faults, and what must hold under each.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_api_key::store::{CacheOptions, CachedStore, ChangeFeed};
use tower_api_key::{ApiKeyLayer, KeyManager, KeyRegistry, KeyStore, NewKey, Scope};

use super::clients::{Clients, Sent, ask};
use super::heavy;
use super::postgres_server::PostgresServer;
use super::redis_server::RedisServer;

/// Whether a cache stands before the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cached {
    Yes,
    No,
}

/// A server of a database that can be made to fail.
pub(crate) trait Server: Send + Sync + 'static {
    fn kill(&self);
    fn restart(&self);
    fn pause(&self);
    fn resume(&self);
    fn cut_connections(&self);
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    Paused,
    Cut,
}

/// How long a paused server stays so: longer than a store waits for it.
const PAUSE: Duration = Duration::from_millis(2_500);

/// How soon everything must work again once the server does; the machine may be busy.
const RECOVERY: Duration = Duration::from_secs(60);

/// Lets every fault strike while clients send requests.
pub(crate) async fn strike<S>(name: &str, server: Arc<dyn Server>, store: S, cached: Cached)
where
    S: KeyRegistry + ChangeFeed + Clone,
{
    let rounds = heavy::size(1, 10);
    let sent = some_keys(&KeyManager::new(store.clone())).await;
    let address = match cached {
        Cached::Yes => {
            let options = CacheOptions::new().with_fallback_time_to_live(Duration::from_secs(1));
            serve(CachedStore::watching(store, options).unwrap()).await
        }
        Cached::No => serve(store).await,
    };
    works(address, &sent).await;
    let clients = Clients::start(address, &sent);
    for fault in [Fault::Killed, Fault::Paused, Fault::Cut] {
        for _ in 0..rounds {
            one(fault, &server, &clients, cached).await;
            works(address, &sent).await;
        }
        let counts = clients.counts();
        println!(
            "{name}, {fault:?} {rounds} times: {} answered, {} told to try again",
            counts.answered.swap(0, Ordering::Relaxed),
            counts.unavailable.swap(0, Ordering::Relaxed),
        );
    }
    clients.stop().await;
}

async fn one(fault: Fault, server: &Arc<dyn Server>, clients: &Clients, cached: Cached) {
    match fault {
        Fault::Killed => {
            blocking(server, <dyn Server>::kill).await;
            if cached == Cached::No {
                refusals_come(clients).await;
            }
            blocking(server, <dyn Server>::restart).await;
        }
        Fault::Paused => {
            blocking(server, <dyn Server>::pause).await;
            // What is measured is the server's silence; nothing is waited for.
            tokio::time::sleep(PAUSE).await;
            blocking(server, <dyn Server>::resume).await;
        }
        Fault::Cut => blocking(server, <dyn Server>::cut_connections).await,
    }
}

/// The servers' own calls may block.
async fn blocking(server: &Arc<dyn Server>, call: fn(&dyn Server)) {
    let server = server.clone();
    tokio::task::spawn_blocking(move || call(&*server))
        .await
        .unwrap();
}

/// Waits until clients have been told that the store is down.
async fn refusals_come(clients: &Clients) {
    let before = clients.counts().unavailable.load(Ordering::Relaxed);
    let begun = Instant::now();
    while clients.counts().unavailable.load(Ordering::Relaxed) < before + 64 {
        assert!(begun.elapsed() < RECOVERY, "no 503 while the store is down");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until each key has the answer that it should have.
async fn works(address: SocketAddr, sent: &[Sent]) {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let begun = Instant::now();
    for one in sent {
        loop {
            let status = ask(&http, address, &one.key).await;
            if status == one.answer {
                break;
            }
            assert_eq!(status, 503, "a wrong answer");
            assert!(
                begun.elapsed() < RECOVERY,
                "no recovery within {RECOVERY:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Valid, revoked and unknown keys.
async fn some_keys<S: KeyRegistry>(keys: &KeyManager<S>) -> Vec<Sent> {
    let mut sent = Vec::new();
    for number in 0..8 {
        let new = NewKey::new("acct_42", "fault test").with_scopes([Scope::READ]);
        let fresh = keys.issue(new).await.unwrap();
        let key = fresh.key.expose_secret().to_owned();
        let revoked = number % 2 == 1;
        if revoked {
            keys.revoke(&fresh.record.id(), "test").await.unwrap();
        }
        sent.push(Sent {
            key,
            answer: if revoked { 401 } else { 200 },
        });
        sent.push(Sent {
            key: format!("tc_{number:064x}"),
            answer: 401,
        });
    }
    sent
}

async fn serve(store: impl KeyStore + 'static) -> SocketAddr {
    let app = Router::new()
        .route("/items", get(|| async { "ok" }))
        .layer(ApiKeyLayer::new(store));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

impl Server for PostgresServer {
    fn kill(&self) {
        self.kill();
    }

    fn restart(&self) {
        self.restart();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }

    fn cut_connections(&self) {
        self.cut_connections();
    }
}

impl Server for Mutex<RedisServer> {
    fn kill(&self) {
        self.lock().unwrap().kill();
    }

    fn restart(&self) {
        self.lock().unwrap().restart();
    }

    fn pause(&self) {
        self.lock().unwrap().pause();
    }

    fn resume(&self) {
        self.lock().unwrap().resume();
    }

    fn cut_connections(&self) {
        self.lock().unwrap().cut_connections();
    }
}
