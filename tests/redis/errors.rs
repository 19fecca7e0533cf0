//! Bad input: each error says what and where, and holds no secret.

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use tower_api_key::record::{AuditAction, KeyChange, KeyRecord};
use tower_api_key::store::{
    AuditLog, AuditPageRequest, KeyUse, PageRequest, RedisOptions, RedisStore, StoreErrorKind,
    UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore};

use crate::kit::{
    PASSWORD, RedisServer, adding, assert_is, assert_tells_no_secret, at, batch, committing,
    context, digest, find, id, impatient, record, rotation, store,
};

#[tokio::test]
async fn a_url_must_be_one_of_redis() {
    for (url, found) in [
        (
            "http://u:hunter2@127.0.0.1:6379",
            "one of an unknown scheme",
        ),
        ("u:hunter2@127.0.0.1", "something else"),
        ("", "something else"),
        ("redis://", "one that is not valid"),
        ("redis://u:hunter2@127.0.0.1:port", "one that is not valid"),
        (
            "redis://u:hunter2@127.0.0.1/hunter",
            "one that is not valid",
        ),
        ("redis://u:hunter2@0.0.0.0", "one that is not valid"),
        ("redis://h/?protocol=hunter", "one that is not valid"),
        ("rediss://u:hunter2@h/#hunter", "one that is not valid"),
    ] {
        let message = format!("expected a URL such as redis://host:6379/0, found {found}");
        assert_is(
            RedisStore::connect(url).await,
            StoreErrorKind::Misconfigured,
            &message,
        );
    }
}

#[tokio::test]
async fn options_must_be_able_to_work() {
    let new = RedisOptions::new;
    let zero = Duration::ZERO;
    let deadlines = "expected deadlines of more than zero, found zero";
    let waits = "expected a shortest wait of more than zero and at most the longest, found another";
    let prefix = "expected a prefix of 1 to 32 lower-case letters, digits and underscores that \
                  starts with a letter, found another";
    let mut cases = vec![
        (new().with_deadline(zero), deadlines),
        (new().with_connect_deadline(zero), deadlines),
        (new().with_reconnect_backoff(zero, Duration::MAX), waits),
        (
            new().with_reconnect_backoff(Duration::MAX, Duration::from_secs(1)),
            waits,
        ),
        (
            new().with_proof_interval(zero),
            "expected a proof interval of more than zero, found zero",
        ),
        (
            new().with_max_in_flight(0),
            "expected at least one call in flight, found zero",
        ),
        (
            new().with_max_in_flight(usize::MAX),
            "expected a bound on the calls in flight, found none",
        ),
    ];
    let too_long = "a".repeat(33);
    for bad in ["", "1a", "_a", "A", "a:", "a}", "ä", "a b", &*too_long] {
        cases.push((new().with_key_prefix(bad), prefix));
    }
    for (options, message) in cases {
        let connected = RedisStore::connect_with("redis://127.0.0.1:1", options).await;
        assert_is(connected, StoreErrorKind::Misconfigured, message);
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_silence_is_too_late() {
    let nobody = RedisStore::connect("redis://u:hunter2@127.0.0.1:1").await;
    let message = "expected redis at 127.0.0.1:1, found no connection";
    let source = nobody.as_ref().unwrap_err().source().unwrap().to_string();
    assert!(source.contains("refused"), "{source}");
    assert_is(nobody, StoreErrorKind::Unavailable, message);

    let socket = RedisStore::connect("unix:///nowhere/redis.sock?pass=hunter2").await;
    let message = "expected redis at /nowhere/redis.sock, found no connection";
    assert_is(socket, StoreErrorKind::Unavailable, message);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for scheme in ["redis", "rediss"] {
        let url = format!("{scheme}://u:hunter2@{address}");
        let message = format!("expected redis at {address}, found no answer in time");
        let connected = RedisStore::connect_with(&url, impatient()).await;
        assert_is(connected, StoreErrorKind::TimedOut, &message);
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_a_right_one_is_never_shown() {
    let Some(server) = RedisServer::start_with(&["--requirepass", PASSWORD]) else {
        return;
    };
    let address = server.address();
    let wrong = RedisStore::connect(&format!("redis://:{PASSWORD}x@{address}")).await;
    let message = format!("expected a user and password of redis at {address}, found them refused");
    assert_is(wrong, StoreErrorKind::Misconfigured, &message);
    let none = RedisStore::connect(&server.url()).await;
    let message =
        format!("expected a user and password of redis at {address}, found that there are none");
    assert_is(none, StoreErrorKind::Misconfigured, &message);

    let right = format!("redis://:{PASSWORD}@{address}");
    let store = RedisStore::connect_with(&right, impatient()).await.unwrap();
    let shown = format!("{store:?}");
    assert_eq!(
        shown,
        format!("RedisStore {{ address: \"{address}\", prefix: \"tower_api_key\", .. }}")
    );
    store.migrate().await.unwrap();
    let number = RedisStore::connect(&format!("{right}/99")).await;
    let message = format!("expected the database in redis at {address}, found none of that number");
    assert_is(number, StoreErrorKind::Misconfigured, &message);
    let tls = format!("rediss://:{PASSWORD}@{address}");
    let error = RedisStore::connect_with(&tls, impatient())
        .await
        .unwrap_err();
    assert_tells_no_secret(&error);
    server.pause();
    assert_tells_no_secret(&store.find(&digest(1)).await.unwrap_err());
}

#[tokio::test]
async fn a_replica_and_a_full_memory_take_no_change() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    let gone = KeyRecord::new(id(9), "acct_42", "CI", at(0));
    store.insert(adding(gone)).await.unwrap();
    let size = server.command(&["DBSIZE"]);
    let address = server.address();

    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = format!("expected room for a change in redis at {address}, found its memory full");
    let unavailable = StoreErrorKind::Unavailable;
    assert_is(store.insert(adding(record(2))).await, unavailable, &full);
    assert_is(
        store
            .commit(committing(&record(1), &KeyChange::Disable))
            .await,
        unavailable,
        &full,
    );
    let change = rotation(digest(2), at(20));
    assert_is(
        store.commit(committing(&record(1), &change)).await,
        unavailable,
        &full,
    );
    let used = KeyUse::new(id(1), 1, at(1));
    assert_is(store.record_usage(&batch([used])).await, unavailable, &full);
    assert_eq!(*find(&store, 1).await.unwrap(), record(1));
    assert_eq!(server.command(&["DBSIZE"]), size);
    // What makes room is done.
    let deletion = KeyChange::Delete;
    apply(&store, &id(9), &deletion, &context()).await.unwrap();
    let page = AuditPageRequest::first(1);
    let trail = store.audit("acct_42", &page).await.unwrap();
    assert_eq!(trail.entries()[0].action(), AuditAction::Deleted);
    assert_eq!(store.prune_audit_before(at(1)).await.unwrap(), 3);
    assert_eq!(store.prune_usage_before(at(1)).await.unwrap(), 0);
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);

    // This replica would serve what it has.
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let replica = format!("expected a primary, redis at {address}, found a replica");
    assert_is(store.insert(adding(record(2))).await, unavailable, &replica);
    assert_is(
        store
            .commit(committing(&record(1), &KeyChange::Disable))
            .await,
        unavailable,
        &replica,
    );
    assert_is(store.find(&digest(1)).await, unavailable, &replica);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    let found = crate::kit::eventually(async || store.find(&digest(1)).await.ok()).await;
    assert_eq!(*found.unwrap(), record(1));
    apply(&store, &id(1), &KeyChange::Delete, &context())
        .await
        .unwrap();
    crate::kit::assert_empty(&server, &store).await;
}

#[tokio::test]
async fn another_version_of_the_store_is_refused() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let start = format!(
        "expected version 1 of the store as `{{tower_api_key}}:version` in redis at {}, found ",
        server.address()
    );
    for (value, found) in [
        (
            None,
            "none: call migrate(), or restore the keys if they were lost",
        ),
        (Some("2"), "version 2: use the crate that made it"),
        (Some("x"), "something else"),
    ] {
        if let Some(value) = value {
            server.command(&["SET", "{tower_api_key}:version", value]);
            let message = format!("{start}{found}");
            assert_is(
                store.migrate().await,
                StoreErrorKind::Misconfigured,
                &message,
            );
        }
        let message = format!("{start}{found}");
        let kind = StoreErrorKind::Misconfigured;
        assert_is(store.find(&digest(1)).await, kind, &message);
        assert_is(store.get(&id(1)).await, kind, &message);
        assert_is(
            store.list("acct_42", &PageRequest::default()).await,
            kind,
            &message,
        );
        assert_is(store.insert(adding(record(1))).await, kind, &message);
        assert_is(
            store
                .commit(committing(&record(1), &KeyChange::Disable))
                .await,
            kind,
            &message,
        );
        let used = KeyUse::new(id(1), 1, at(1));
        assert_is(store.record_usage(&batch([used])).await, kind, &message);
        let many = store
            .insert_many(vec![adding(record(1))])
            .await
            .pop()
            .unwrap();
        assert_is(many, kind, &message);
    }
    assert_eq!(server.command(&["DBSIZE"]), ":1\r\n");
}

/// While the servers of a product are replaced by ones of a later version, keys go on working as
/// long as their records can be read.
#[tokio::test]
async fn a_key_is_found_in_a_later_version_but_not_changed() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    server.command(&["SET", "{tower_api_key}:version", "2"]);
    assert_eq!(*find(&store, 1).await.unwrap(), record(1));
    let kind = StoreErrorKind::Misconfigured;
    let unknown = store.find(&digest(2)).await;
    assert_eq!(unknown.unwrap_err().kind(), kind);
    let changed = store
        .commit(committing(&record(1), &KeyChange::Disable))
        .await;
    assert_eq!(changed.unwrap_err().kind(), kind);
}
