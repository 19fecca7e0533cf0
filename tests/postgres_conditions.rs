//! Keys in PostgreSQL: the conditions of an insert hold among processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use changes::context;
use keys::{digest, id, record, store, version};
use server::PostgresServer;
use tower_api_key::KeyRegistry;
use tower_api_key::record::{KeyRecord, Revocation};
use tower_api_key::store::{ActingKey, Insert, Inserted, StoreError, StoreErrorKind};

fn insert(number: u8) -> Insert {
    Insert::new(record(number), &context())
}

#[track_caller]
fn assert_too_many(error: &StoreError, max: u64) {
    let message = format!("the owner already has {max} keys, the most allowed");
    assert_eq!(
        (error.kind(), error.to_string()),
        (StoreErrorKind::TooManyKeys, message)
    );
}

/// Two stores, of which both wait before either adds.
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
            let insert = insert(number).with_max_keys_per_owner(Some(limit));
            tokio::spawn(async move { store.insert(insert).await })
        });
        // One waits for the table, and the other for the owner's lock.
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND \
                       (relation = 'limit_keys'::regclass OR locktype = 'advisory' AND \
                       classid::bigint = hashtext('limit_')::bigint & 4294967295)";
        keys::until(async || server.sql(waiting) == "2").await;
        lock.rollback().await.unwrap();
        let mut added = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => added += 1,
                Err(error) => assert_too_many(&error, limit),
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
    let race = async |with: fn(u8) -> Insert| {
        let inserts = (0..40).map(|number| {
            let store = if number % 2 == 0 { &one } else { &two }.clone();
            tokio::spawn(async move { store.insert(with(number)).await })
        });
        let mut answers = Vec::new();
        for task in inserts.collect::<Vec<_>>() {
            answers.push(task.await.unwrap());
        }
        answers
    };
    let created = |answers: &[Result<Inserted, StoreError>]| {
        let created = answers
            .iter()
            .filter(|one| matches!(one, Ok(Inserted::Created)));
        created.count()
    };
    let answers = race(|number| insert(number).with_max_keys_per_owner(Some(7))).await;
    assert_eq!(created(&answers), 7);
    for error in answers.into_iter().filter_map(Result::err) {
        assert_too_many(&error, 7);
    }
    let server = PostgresServer::shared().unwrap();
    server.sql("DELETE FROM conditions_keys");

    let answers = race(|number| insert(number).with_idempotency_key(Some([1; 32]))).await;
    assert_eq!(created(&answers), 1);
    let stored = server.sql("SELECT encode(id, 'hex') FROM conditions_keys");
    for answer in answers {
        if let Inserted::Existing(record) = answer.unwrap() {
            assert_eq!(hex::encode(record.id().as_bytes()), stored);
        }
    }
    server.sql("DELETE FROM conditions_keys");

    // Each key once, whoever sends it, and however often.
    let both = |number: u8| {
        insert(number)
            .with_max_keys_per_owner(Some(5))
            .with_idempotency_key(Some([number % 5; 32]))
    };
    let answers = race(both).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(created(&answers), 5);
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
        let insert = insert(number).with_idempotency_key(Some([number; 32]));
        let (here, there) = tokio::join!(one.insert(insert.clone()), two.insert(insert));
        let existing = Inserted::Existing(record(number).into());
        match (here.unwrap(), there.unwrap()) {
            (Inserted::Created, other) | (other, Inserted::Created) => assert_eq!(other, existing),
            both => panic!("nobody created the key: {both:?}"),
        }
    }
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_owner_and_goes_with_its_key() {
    let Some(store) = store("owners_").await else {
        return;
    };
    let other = KeyRecord::new(id(2), "acct_7", "CI", keys::at(0))
        .with_secret_versions([version(1, digest(2))]);
    for record in [record(1), other] {
        let insert = Insert::new(record, &context()).with_idempotency_key(Some([1; 32]));
        assert_eq!(store.insert(insert).await.unwrap(), Inserted::Created);
    }
    let server = PostgresServer::shared().unwrap();
    server.sql("DELETE FROM owners_keys WHERE owner = 'acct_42'");
    let again = insert(3).with_idempotency_key(Some([1; 32]));
    assert_eq!(store.insert(again).await.unwrap(), Inserted::Created);
}

#[tokio::test]
async fn revoked_keys_are_not_counted() {
    let Some(store) = store("counted_").await else {
        return;
    };
    let revoked = record(1).with_revocation(Some(Revocation::new(keys::at(0), "lost")));
    let one = Insert::new(revoked, &context());
    store.insert(one).await.unwrap();
    let limited = |number| insert(number).with_max_keys_per_owner(Some(1));
    store.insert(limited(2)).await.unwrap();
    assert_too_many(&store.insert(limited(3)).await.unwrap_err(), 1);
    let none = insert(3).with_max_keys_per_owner(Some(0));
    assert_too_many(&store.insert(none).await.unwrap_err(), 0);
}

/// The acting key is locked: an insert that has seen it unchanged is written before it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insert_waits_for_a_change_of_the_acting_key() {
    let Some(store) = store("acting_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    store.insert(insert(1)).await.unwrap();
    let (mut client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let change = client.transaction().await.unwrap();
    change
        .batch_execute("UPDATE acting_keys SET revision = revision + 1")
        .await
        .unwrap();
    let acting = ActingKey {
        id: id(1),
        revision: record(1).revision(),
    };
    let insert = insert(2).with_acting(Some(acting));
    let inserted = tokio::spawn({
        let store = store.clone();
        async move { store.insert(insert).await }
    });
    let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND \
                   query LIKE '%INSERT INTO acting_keys%'";
    keys::until(async || server.sql(waiting) == "t").await;
    change.commit().await.unwrap();
    let error = inserted.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert_eq!(store.get(&id(2)).await.unwrap(), None);
    drop(client);
    driver.await.unwrap().unwrap();
}
