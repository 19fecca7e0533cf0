//! Keys in PostgreSQL, used by many at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", feature = "test-util", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::sync::Arc;

use changes::{batch, context};
use keys::{at, digest, id, record, rotation, store, version};
use server::PostgresServer;
use tower_api_key::record::{KeyChange, KeyRecord, KeyUpdate, SecretVersion, Transition};
use tower_api_key::store::{
    ActingKey, Commit, Insert, KeyUse, PostgresOptions, PostgresStore, StoreErrorKind, UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore, Scope, ScopeSet};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_once_all_take_effect() {
    let Some(one) = store("races_").await else {
        return;
    };
    let two = keys::another("races_").await;
    one.insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let tasks = (0..32).map(|number| {
        let store = if number % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        tokio::spawn(async move {
            let change = match number % 4 {
                0 => KeyChange::Update(KeyUpdate::new().with_name("new")),
                1 => KeyChange::Update(KeyUpdate::new().with_scopes([Scope::DELETE])),
                2 => KeyChange::Disable,
                _ => KeyChange::Update(KeyUpdate::new().with_expires_at(Some(at(99)))),
            };
            apply(&store, &id(1), &change, &context()).await.unwrap();
            store
                .record_usage(&batch([KeyUse::new(id(1), 1, at(number))]))
                .await
                .unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let record = two.get(&id(1)).await.unwrap().unwrap();
    assert_eq!((record.name(), record.is_disabled()), ("new", true));
    assert_eq!(record.scopes(), &ScopeSet::from([Scope::DELETE]));
    assert_eq!(
        (record.expires_at(), record.last_used_at()),
        (Some(at(99)), Some(at(31)))
    );

    // Of rotations at once, each has its number; of inserts of one digest, one wins.
    let rotations = (0..6).map(|number| {
        let store = if number % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        tokio::spawn(async move {
            apply(&store, &id(1), &rotation(digest(50 + number)), &context()).await
        })
    });
    for task in rotations.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    let record = one.get(&id(1)).await.unwrap().unwrap();
    let numbers: Vec<_> = record
        .secret_versions()
        .iter()
        .map(SecretVersion::number)
        .collect();
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
    let inserts = (0..16).map(|number| {
        let store = if number % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        let same = record_with(100 + number, 99);
        tokio::spawn(async move {
            store
                .insert(Insert::new(same, &context()))
                .await
                .map_err(|error| error.kind())
        })
    });
    let mut added = 0;
    for task in inserts.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(_) => added += 1,
            Err(kind) => assert_eq!(kind, StoreErrorKind::AlreadyExists),
        }
    }
    assert_eq!(added, 1);
}

fn record_with(number: u8, of_digest: u8) -> KeyRecord {
    record(number).with_secret_versions([version(1, digest(of_digest))])
}

/// Both wait for both rows; whichever gets them first changes its key. The server breaks no deadlock:
/// with one, both would time out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_change_each_other_do_not_block_each_other() {
    let Some(server) = PostgresServer::start_with(&["fsync=off", "deadlock_timeout=1h"]) else {
        return;
    };
    let open = async || {
        let options = keys::options("mutual_");
        let store = PostgresStore::connect_with(&server.url(), options).await;
        store.unwrap()
    };
    let (one, two) = (open().await, open().await);
    one.migrate().await.unwrap();
    for number in [1, 2] {
        let insert = Insert::new(record(number), &context());
        one.insert(insert).await.unwrap();
    }
    let (first, second) = (Holder::of(&server, 1).await, Holder::of(&server, 2).await);
    let tasks = [(&one, 1, 2), (&two, 2, 1)].map(|(store, changed, acting)| {
        let before = record(changed);
        let change = KeyChange::Disable;
        let transition = Transition::of(&change, &before, &context()).unwrap();
        let acting = ActingKey {
            id: id(acting),
            revision: record(acting).revision(),
        };
        let commit = Commit::of(&before, transition).unwrap();
        let commit = commit.with_acting(Some(acting));
        let store = store.clone();
        tokio::spawn(async move { store.commit(commit).await.map_err(|error| error.kind()) })
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query \
                   LIKE '%UPDATE mutual_keys%'";
    keys::until(async || server.sql(waiting) == "2").await;
    first.release().await;
    // Whoever has waited for the first row goes on to the second.
    let moved = format!(
        "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND transactionid = '{}')",
        first.transaction
    );
    keys::until(async || server.sql(&moved) == "t" && server.sql(waiting) == "2").await;
    second.release().await;
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers.sort_by_key(Result::is_err);
    assert_eq!(answers, [Ok(()), Err(StoreErrorKind::Conflict)]);
}

/// Somebody else who holds the row of a key.
struct Holder {
    client: tokio_postgres::Client,
    transaction: String,
}

impl Holder {
    async fn of(server: &PostgresServer, number: u8) -> Self {
        let url = server.url();
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN").await.unwrap();
        let row = client
            .query_one(
                "SELECT pg_current_xact_id()::text FROM mutual_keys WHERE id = $1 FOR UPDATE",
                &[&&id(number).as_bytes()[..]],
            )
            .await
            .unwrap();
        Self {
            client,
            transaction: row.get(0),
        }
    }

    async fn release(&self) {
        self.client.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_harms_no_other() {
    let Some(store) = store("dropped_").await else {
        return;
    };
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    for polls in 0..40 {
        let (key, digest, context) = (id(1), digest(1), context());
        let change = KeyChange::Update(KeyUpdate::new().with_name(polls.to_string()));
        let mut call = Box::pin(apply(&store, &key, &change, &context));
        for _ in 0..polls {
            if futures::poll!(&mut call).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        let mut find = Box::pin(store.find(&digest));
        let _ = futures::poll!(&mut find);
        drop(find);
        assert!(store.find(&digest).await.unwrap().is_some());
    }
    apply(&store, &id(1), &KeyChange::Disable, &context())
        .await
        .unwrap();
    assert!(store.find(&digest(1)).await.unwrap().unwrap().is_disabled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_wait_neither_for_each_other_nor_for_changes() {
    let Some(store) = store("pipeline_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let many = (0..2_000_u32).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let digest = digest(if number % 2 == 0 { 1 } else { 2 });
            let found = store.find(&digest).await.unwrap();
            assert_eq!(found.is_some(), number % 2 == 0);
        })
    });
    for task in many.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    // Somebody else holds the row: the change waits for it, and look-ups do not.
    let url = server.url();
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("UPDATE pipeline_keys SET revoked = revoked")
        .await
        .unwrap();
    let (key, context) = (id(1), context());
    let mut change = Box::pin(apply(&store, &key, &KeyChange::Disable, &context));
    assert!(futures::poll!(&mut change).is_pending());
    for _ in 0..50 {
        assert!(!store.find(&digest(1)).await.unwrap().unwrap().is_disabled());
        assert!(futures::poll!(&mut change).is_pending());
    }
    lock.rollback().await.unwrap();
    assert!(change.await.unwrap().is_disabled());
    drop(client);
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused() {
    let Some(_) = store("calls_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    let options = keys::options("calls_").with_max_calls(2);
    let store = PostgresStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    let (one, two) = (digest(1), digest(2));
    let mut calls = [Box::pin(store.find(&one)), Box::pin(store.find(&two))];
    for call in &mut calls {
        assert!(futures::poll!(call).is_pending());
    }
    let message = format!(
        "PostgreSQL at 127.0.0.1:{}/postgres: more than 2 calls are in flight",
        server.port()
    );
    let error = store.get(&id(1)).await.unwrap_err();
    assert_eq!(
        (error.kind(), &*error.to_string()),
        (StoreErrorKind::Overloaded, &*message)
    );
    for call in calls {
        assert_eq!(call.await.unwrap(), None);
    }
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_migrate_at_once() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let tasks = (0..10).map(|_| {
        tokio::spawn(async {
            let store = keys::another("migrate_").await;
            store.migrate().await.unwrap();
            assert_eq!(store.find(&digest(1)).await.unwrap(), None);
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(server.sql("SELECT version FROM migrate_meta"), "1");
}

#[tokio::test]
async fn connections_close_with_the_last_clone() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let mut config: tokio_postgres::Config = server.url().parse().unwrap();
    config.application_name("the last clone");
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the last clone'";
    let store = PostgresStore::from_config(config, PostgresOptions::new()).unwrap();
    store.migrate().await.unwrap();
    let clone = Arc::new(store.clone());
    drop(store);
    clone.find(&digest(1)).await.unwrap();
    keys::until(async || server.sql(count) == "3").await;
    drop(clone);
    keys::until(async || server.sql(count) == "0").await;
}
