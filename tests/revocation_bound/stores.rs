//! The servers, and stores of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tower_api_key::store::{
    ChangeFeed, PostgresOptions, PostgresStore, RedisOptions, RedisStore, StoreError,
};
use tower_api_key::{KeyManager, KeyRegistry};

use super::postgres_server::PostgresServer;
use super::redis_server::RedisServer;

/// A store that tells of its changes.
pub(crate) trait Store: KeyRegistry + ChangeFeed {}

impl<S: KeyRegistry + ChangeFeed> Store for S {}

pub(crate) type Manager = KeyManager<Arc<dyn Store>>;

/// How often a feed proves that it has told everything: more often than by default, to measure with
/// a fallback shorter than the default.
const PROOF_INTERVAL: Duration = Duration::from_millis(250);

/// Opens the store of that URL.
pub(crate) async fn open(url: &str) -> Arc<dyn Store> {
    if url.starts_with("redis") {
        let options = RedisOptions::new().with_proof_interval(PROOF_INTERVAL);
        let store = RedisStore::connect_with(url, options).await.unwrap();
        migrated(store.migrate().await);
        Arc::new(store)
    } else {
        let options = PostgresOptions::new().with_proof_interval(PROOF_INTERVAL);
        let store = PostgresStore::connect_with(url, options).await.unwrap();
        migrated(store.migrate().await);
        Arc::new(store)
    }
}

fn migrated(outcome: Result<(), StoreError>) {
    outcome.unwrap();
}

/// A private server of one kind.
pub(crate) enum Server {
    Postgres(PostgresServer),
    Redis(RedisServer),
}

impl Server {
    /// One of each kind that is installed, started when its turn comes.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        let postgres = || PostgresServer::start().map(Self::Postgres);
        let redis = || RedisServer::start().map(Self::Redis);
        [postgres as fn() -> Option<Self>, redis]
            .into_iter()
            .filter_map(|start| start())
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Postgres(server) => ([127, 0, 0, 1], server.port()).into(),
            Self::Redis(server) => server.address().parse().unwrap(),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Redis(server) => server.url(),
        }
    }

    /// The URL by way of a proxy.
    pub(crate) fn url_by(&self, proxy: SocketAddr) -> String {
        let port = |address: SocketAddr| format!(":{}", address.port());
        let (url, direct) = (self.url(), port(self.address()));
        assert!(url.contains(&direct));
        url.replace(&direct, &port(proxy))
    }
}
