//! Keys in PostgreSQL while the server hangs, dies and comes back, and while the network swallows.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", feature = "test-util", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::time::{Duration, Instant};

use changes::context;
use keys::{digest, id, record, until};
use server::{PASSWORD, PostgresServer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_api_key::record::KeyChange;
use tower_api_key::store::{Insert, PostgresOptions, PostgresStore, StoreError, StoreErrorKind};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore};

/// Long enough for a busy machine, and short enough to wait for.
const DEADLINE: Duration = Duration::from_secs(1);

async fn store(server: &PostgresServer) -> PostgresStore {
    let options = PostgresOptions::new().with_deadline(DEADLINE);
    let store = PostgresStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    until(async || store.find(&digest(1)).await.is_ok()).await;
    store
}

async fn finds(store: &PostgresStore) -> bool {
    store
        .find(&digest(1))
        .await
        .is_ok_and(|found| found.is_some())
}

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
    server: &PostgresServer,
    message: &str,
) {
    let error = result.unwrap_err();
    let message = message.replace("{server}", &address(server));
    assert_eq!((error.kind(), error.to_string()), (kind, message));
    keys::assert_tells_no_secret(&error);
}

fn address(server: &PostgresServer) -> String {
    format!("PostgreSQL at 127.0.0.1:{}/postgres", server.port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_timed_out_and_used_again() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = store(&server).await;
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    server.pause();
    let late = "{server}: no answer within 1s";
    assert_fails(
        store.find(&digest(1)).await,
        StoreErrorKind::TimedOut,
        &server,
        late,
    );
    let change = apply(&store, &id(1), &KeyChange::Disable, &context()).await;
    assert_eq!(change.unwrap_err().kind(), StoreErrorKind::TimedOut);
    // For as long as it hangs, every call ends.
    let began = Instant::now();
    while began.elapsed() < DEADLINE * 3 {
        assert!(store.find(&digest(1)).await.is_err());
    }
    server.resume();
    until(async || finds(&store).await).await;
    until(async || {
        apply(&store, &id(1), &KeyChange::Disable, &context())
            .await
            .is_ok()
    })
    .await;
    assert!(store.find(&digest(1)).await.unwrap().unwrap().is_disabled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_keeps_its_keys_and_is_used_again() {
    // With fsync: what was acknowledged survives.
    let Some(server) = PostgresServer::start_with(&[]) else {
        return;
    };
    let store = store(&server).await;
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    for _ in 0..3 {
        server.kill();
        // It is refused, and at once: nothing piles up.
        until(async || {
            let error = store.find(&digest(1)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
            error
                .to_string()
                .ends_with("/postgres: the connection failed")
        })
        .await;
        let began = Instant::now();
        for _ in 0..100 {
            let error = store.find(&digest(1)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(error.to_string().starts_with(&address(&server)), "{error}");
            keys::assert_tells_no_secret(&error);
        }
        // A hundred waits would take longer.
        assert!(began.elapsed() < DEADLINE * 50);
        server.restart();
        until(async || finds(&store).await).await;
    }
    until(async || {
        apply(&store, &id(1), &KeyChange::Disable, &context())
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_are_made_again() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let options = keys::options("cut_");
    let store = PostgresStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    for _ in 0..10 {
        let looking = tokio::spawn({
            let store = store.clone();
            async move {
                for _ in 0..200 {
                    // No look-up fails: each is sent again.
                    assert!(store.find(&digest(1)).await.unwrap().is_some());
                }
            }
        });
        server.cut_connections();
        looking.await.unwrap();
        assert!(finds(&store).await);
    }
    until(async || {
        apply(&store, &id(1), &KeyChange::Disable, &context())
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_may_start_before_its_server() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    store(&server)
        .await
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    server.kill();
    let config = server.url().parse().unwrap();
    let store = PostgresStore::from_config(config, PostgresOptions::new()).unwrap();
    let none = "{server}: the connection failed";
    assert_fails(
        store.find(&digest(1)).await,
        StoreErrorKind::Unavailable,
        &server,
        none,
    );
    assert_fails(
        store.migrate().await,
        StoreErrorKind::Unavailable,
        &server,
        none,
    );
    let connected = PostgresStore::connect(&server.url()).await;
    assert_fails(connected, StoreErrorKind::Unavailable, &server, none);
    server.restart();
    until(async || finds(&store).await).await;
}

/// The connection looks alive, and nothing comes through any more. Those who ask give up long
/// before the store's own deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_swallows_is_replaced_whoever_waits() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    store(&server)
        .await
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let (swallow, proxy) = proxy(server.port()).await;
    let url = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{proxy}/postgres?sslmode=disable");
    let options = PostgresOptions::new().with_deadline(DEADLINE);
    let store = PostgresStore::connect_with(&url, options).await.unwrap();
    until(async || finds(&store).await).await;
    let asks = async || {
        let asked = tokio::time::timeout(Duration::from_millis(50), finds(&store)).await;
        asked.unwrap_or(false)
    };
    swallow.send_modify(|generation| *generation += 1);
    assert!(!asks().await);
    until(asks).await;
}

/// A port that leads to another; what is open is swallowed when the number changes.
async fn proxy(to: u16) -> (watch::Sender<u32>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (swallow, generation) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut generation = generation.clone();
            generation.mark_unchanged();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = generation.changed() => std::future::pending::<()>().await,
                }
            });
        }
    });
    (swallow, port)
}
