//! A primary that becomes a replica, and another that takes its place.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{FeedEvent, RedisStore, StoreErrorKind};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore};

use crate::kit::{
    Heard, RedisServer, adding, assert_is, at, context, digest, eventually, find, id, options,
    record, without_proofs,
};

fn port(server: &RedisServer) -> u16 {
    server
        .address()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

/// An address that leads to the port of the moment; connections that are made stay where they are.
async fn address_of(target: Arc<AtomicU16>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let port = target.load(Ordering::SeqCst);
            tokio::spawn(async move {
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                    .await
                    .unwrap();
                // Either side may end it.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// Makes `new` a primary with the data of `old`, and `old` a replica that is cut off.
async fn fail_over(old: &RedisServer, new: &RedisServer) {
    new.command(&["REPLICAOF", "127.0.0.1", &port(old).to_string()]);
    eventually(async || {
        let state = new.command(&["INFO", "replication"]);
        state.contains("master_link_status:up").then_some(())
    })
    .await;
    new.command(&["REPLICAOF", "NO", "ONE"]);
    old.command(&["REPLICAOF", "127.0.0.1", "1"]);
}

#[tokio::test]
async fn a_demoted_primary_is_left_for_the_new_one() {
    let (Some(old), Some(new)) = (RedisServer::start(), RedisServer::start()) else {
        return;
    };
    let target = Arc::new(AtomicU16::new(port(&old)));
    let address = address_of(target.clone()).await;
    let url = format!("redis://{address}/0");
    let options = options();
    let store = RedisStore::connect_with(&url, options.clone())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.insert(adding(record(1))).await.unwrap();
    let heard = Heard::of(&store);
    heard.proof().await;

    fail_over(&old, &new).await;
    heard.until(|event| *event == FeedEvent::Lost).await;
    let replica = format!("expected a primary, redis at {address}, found a replica");
    let kind = StoreErrorKind::Unavailable;
    let found = eventually(async || store.find(&digest(1)).await.err()).await;
    assert_is(Err::<(), _>(found), kind, &replica);
    assert_is(store.insert(adding(record(2))).await, kind, &replica);
    let another = RedisStore::connect_with(&url, options.clone()).await;
    assert_is(another.map(drop), kind, &replica);
    // Nothing is proven for as long as the address leads there.
    assert_eq!(heard.take(), []);

    target.store(port(&new), Ordering::SeqCst);
    let told = heard.proof().await;
    assert_eq!(without_proofs(&told), [FeedEvent::Reset]);
    let found = eventually(async || store.find(&digest(1)).await.ok()).await;
    assert_eq!(*found.unwrap(), record(1));
    let another = RedisStore::connect_with(&url, options).await.unwrap();
    let revoked = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    apply(&another, &id(1), &revoked, &context()).await.unwrap();
    let told = heard.proof().await;
    assert_eq!(without_proofs(&told), [FeedEvent::Changed(id(1))]);
    assert!(find(&store, 1).await.unwrap().revocation().is_some());
}

/// The address has moved before anybody notices.
#[tokio::test]
async fn a_store_that_is_only_read_follows_the_address() {
    let (Some(old), Some(new)) = (RedisServer::start(), RedisServer::start()) else {
        return;
    };
    let target = Arc::new(AtomicU16::new(port(&old)));
    let url = format!("redis://{}/0", address_of(target.clone()).await);
    let store = RedisStore::connect_with(&url, options()).await.unwrap();
    store.migrate().await.unwrap();
    store.insert(adding(record(1))).await.unwrap();
    target.store(port(&new), Ordering::SeqCst);
    fail_over(&old, &new).await;
    let another = eventually(async || RedisStore::connect(&url).await.ok()).await;
    let revoked = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    apply(&another, &id(1), &revoked, &context()).await.unwrap();
    // It is busy all the time, and has no feed.
    eventually(async || {
        let found = find(&store, 1).await.unwrap();
        found.revocation().map(drop)
    })
    .await;
}

/// A change finds out before it is time to ask for the role.
#[tokio::test]
async fn a_change_that_a_replica_refuses_leaves_it() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let options = options().with_proof_interval(Duration::from_secs(3_600));
    let store = RedisStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.insert(adding(record(1))).await.unwrap();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let replica = format!(
        "expected a primary, redis at {}, found a replica",
        server.address()
    );
    let kind = StoreErrorKind::Unavailable;
    // Lookups alone do not.
    assert_eq!(*find(&store, 1).await.unwrap(), record(1));
    assert_is(store.insert(adding(record(2))).await, kind, &replica);
    assert_is(store.find(&digest(1)).await, kind, &replica);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    eventually(async || store.find(&digest(1)).await.ok()).await;
    store.insert(adding(record(2))).await.unwrap();
}
