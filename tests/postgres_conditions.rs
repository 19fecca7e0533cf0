//! Keys in PostgreSQL: what must hold for an insert holds among processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::collections::BTreeSet;

use changes::context;
use keys::{record, store};
use server::PostgresServer;
use tower_api_key::KeyRegistry;
use tower_api_key::record::{ChangeContext, ChangeRefused};
use tower_api_key::store::StoreErrorKind;

/// Two stores, of which each has looked before either adds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_inserts_at_once_is_within_the_limit() {
    let Some(one) = store("limit_").await else {
        return;
    };
    let two = keys::another("limit_").await;
    let server = PostgresServer::shared().unwrap();
    for (round, limit) in (0_u8..).zip([1, 2, 3]) {
        let (mut client, connection) =
            tokio_postgres::connect(&server.url(), tokio_postgres::NoTls)
                .await
                .unwrap();
        let driver = tokio::spawn(connection);
        let lock = client.transaction().await.unwrap();
        lock.batch_execute("LOCK limit_keys IN SHARE ROW EXCLUSIVE MODE")
            .await
            .unwrap();
        let tasks = [(&one, 2 * round), (&two, 2 * round + 1)].map(|(store, number)| {
            let store = store.clone();
            let context = context().with_max_keys_of_owner(limit);
            tokio::spawn(async move { store.insert(record(number), &context).await })
        });
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = \
                       'limit_keys'::regclass";
        keys::until(async || server.sql(waiting) == "2").await;
        lock.rollback().await.unwrap();
        let mut added = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => added += 1,
                Err(error) => {
                    let refused = StoreErrorKind::Refused(ChangeRefused::TooManyKeys);
                    assert_eq!(error.kind(), refused);
                }
            }
        }
        assert_eq!(added, 1, "{round}");
        drop(client);
        driver.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_hold_among_stores() {
    let Some(one) = store("conditions_").await else {
        return;
    };
    let two = keys::another("conditions_").await;
    let race = async |count: u8, context: fn(u8) -> ChangeContext| {
        let inserts = (0..count).map(|number| {
            let store = if number % 2 == 0 { &one } else { &two }.clone();
            tokio::spawn(async move { store.insert(record(number), &context(number)).await })
        });
        let mut answers = Vec::new();
        for task in inserts.collect::<Vec<_>>() {
            answers.push(task.await.unwrap());
        }
        answers
    };
    let answers = race(40, |_| context().with_max_keys_of_owner(7)).await;
    assert_eq!(answers.iter().filter(|one| one.is_ok()).count(), 7);
    for error in answers.into_iter().filter_map(Result::err) {
        let refused = StoreErrorKind::Refused(ChangeRefused::TooManyKeys);
        assert_eq!(error.kind(), refused);
    }
    let server = PostgresServer::shared().unwrap();
    server.sql("DELETE FROM conditions_keys");

    let answers = race(40, |_| context().with_idempotency_key([1; 32])).await;
    let ids = answers.into_iter().map(|one| one.unwrap().id());
    let ids: BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(server.sql("SELECT count(*) FROM conditions_keys"), "1");
    server.sql("DELETE FROM conditions_keys");

    // Each key once, whoever sends it, and however often.
    let both = |number: u8| {
        let context = context().with_max_keys_of_owner(5);
        context.with_idempotency_key([number % 5; 32])
    };
    for answer in race(40, both).await {
        answer.unwrap();
    }
    assert_eq!(server.sql("SELECT count(*) FROM conditions_keys"), "5");
    // 7, 1 and 5 keys were added; each has its entry.
    assert_eq!(server.sql("SELECT count(*) FROM conditions_audit"), "13");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_insert_sent_twice_adds_one_key() {
    let Some(one) = store("twice_").await else {
        return;
    };
    let two = keys::another("twice_").await;
    for number in 0..20 {
        let context = context().with_idempotency_key([number; 32]);
        let (here, there) = tokio::join!(
            one.insert(record(number), &context),
            two.insert(record(number), &context)
        );
        assert_eq!(*here.unwrap(), record(number));
        assert_eq!(*there.unwrap(), record(number));
    }
}
