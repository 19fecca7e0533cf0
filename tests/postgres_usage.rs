//! Keys in PostgreSQL: counts of their uses, and what is forgotten.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", feature = "test-util", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::time::Duration;

use changes::{batch, context};
use jiff::{SignedDuration, Timestamp};
use keys::{at, digest, id, record, rotation, store, version};
use server::PostgresServer;
use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{
    AuditLog, AuditPageRequest, Insert, KeyUse, PostgresStore, StoreErrorKind, UsageBatch,
    UsageBucket, UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, ScopeSet};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The start of the hour of the tests, which is a microsecond before `at(0)`.
const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

fn used(number: u8, second: i64) -> KeyUse {
    KeyUse::new(id(number), 1, at(second)).with_allowed(1)
}

async fn sums(store: &PostgresStore, number: u8) -> Vec<UsageBucket> {
    let always = Timestamp::MIN..Timestamp::MAX;
    store.usage(&id(number), always).await.unwrap()
}

#[tokio::test]
async fn thousands_of_uses_are_counted_at_once() {
    let Some(store) = store("thousands_").await else {
        return;
    };
    let inserts = (0..250).map(|number| Insert::new(record(number), &context()));
    let answers = store.insert_many(inserts.collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    let uses = || {
        (0..250).flat_map(|number| {
            (0..40).map(move |hour| used(number, hour * 3_600).with_refused(u64::from(number)))
        })
    };
    for sequence in [1, 1, 2] {
        let batch = UsageBatch::new([1; 16], sequence, uses());
        assert_eq!(batch.uses().len(), 10_000);
        store.record_usage(&batch).await.unwrap();
    }
    for number in [0, 7, 249] {
        let expected: Vec<_> = (0..40)
            .map(|hour| UsageBucket::new(START + HOUR * hour, 1, 2, 2 * u64::from(number)))
            .collect();
        assert_eq!(sums(&store, number).await, expected);
        let found = store.get(&id(number)).await.unwrap().unwrap();
        assert_eq!(found.last_used_at(), Some(at(39 * 3_600)));
    }
    // More than one statement forgets.
    let forgotten = store.prune_usage_before(START + HOUR * 39).await;
    assert_eq!(forgotten.unwrap(), 250 * 39);
    assert_eq!(sums(&store, 7).await.len(), 1);
}

#[tokio::test]
async fn counters_stop_at_the_greatest_number() {
    let Some(store) = store("greatest_").await else {
        return;
    };
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let server = PostgresServer::shared().unwrap();
    let great = used(1, 0).with_allowed(u64::MAX).with_refused(3);
    store.record_usage(&batch([great.clone()])).await.unwrap();
    server.sql(&format!(
        "UPDATE greatest_usage SET allowed = {}",
        i64::MAX - 5
    ));
    store.record_usage(&batch([great])).await.unwrap();
    let greatest = i64::MAX.unsigned_abs();
    let expected = UsageBucket::new(START, 1, greatest, 6);
    assert_eq!(sums(&store, 1).await, [expected]);
}

/// A column holds the union of the scopes of an hour.
#[tokio::test]
async fn scopes_of_an_hour_are_united() {
    let Some(store) = store("united_").await else {
        return;
    };
    let insert = Insert::new(record(1), &context());
    store.insert(insert).await.unwrap();
    for scopes in ["read", "", "write read", "read", "a:b"] {
        let scopes: ScopeSet = scopes.parse().unwrap();
        let used = used(1, 0).with_exercised(scopes);
        store.record_usage(&batch([used])).await.unwrap();
    }
    let expected: ScopeSet = "read write a:b".parse().unwrap();
    let expected = UsageBucket::new(START, 1, 5, 0).with_scopes(expected);
    assert_eq!(sums(&store, 1).await, [expected]);
    let server = PostgresServer::shared().unwrap();
    let scopes = server.sql("SELECT scopes FROM united_usage");
    assert_eq!(scopes, "{a:b,read,write}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_changes_of_the_same_keys_do_not_lock_each_other_out() {
    let Some(one) = store("locks_").await else {
        return;
    };
    let two = keys::another("locks_").await;
    for number in 1..=20 {
        let versions = [version(1, digest(number)), version(2, digest(100 + number))];
        let record = record(number).with_secret_versions(versions);
        one.insert(Insert::new(record, &context())).await.unwrap();
    }
    let mut tasks = Vec::new();
    for round in 0..20_u8 {
        let store = if round % 2 == 0 { &one } else { &two }.clone();
        let other = if round % 2 == 0 { &two } else { &one }.clone();
        tasks.push(tokio::spawn(async move {
            let uses = (1..=20).flat_map(|number| {
                [1, 2].map(|version| {
                    KeyUse::new(id(number), version, at(round.into())).with_allowed(1)
                })
            });
            store.record_usage(&batch(uses)).await.unwrap();
        }));
        tasks.push(tokio::spawn(async move {
            let (key, context) = (id(1 + round), context());
            let change = match round % 3 {
                0 => KeyChange::Revoke(Revocation::new(at(1), "leaked")),
                1 => rotation(digest(200 + round)),
                _ => KeyChange::Delete,
            };
            apply(&other, &key, &change, &context).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let server = PostgresServer::shared().unwrap();
    let orphans = "SELECT count(*) FROM locks_usage u LEFT JOIN locks_keys k ON k.id = u.key_id \
                   WHERE k.id IS NULL";
    assert_eq!(server.sql(orphans), "0");
    for number in 1..=20_u8 {
        let sums = sums(&one, number).await;
        if (number - 1) % 3 == 2 {
            assert_eq!(sums, []);
        } else {
            let expected = [1, 2].map(|version| UsageBucket::new(START, version, 20, 0));
            assert_eq!(sums, expected, "{number}");
        }
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";
    assert_eq!(server.sql(deadlocks), "0");
}

#[tokio::test]
async fn a_change_waits_for_no_counting() {
    let Some(store) = store("waits_").await else {
        return;
    };
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let server = PostgresServer::shared().unwrap();
    let (mut client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    // What another process has locked while it counts.
    let lock = client.transaction().await.unwrap();
    lock.batch_execute(
        "SELECT FROM waits_keys FOR KEY SHARE; SELECT FROM waits_secrets FOR NO KEY UPDATE",
    )
    .await
    .unwrap();
    let revoke = KeyChange::Revoke(Revocation::new(at(1), "leaked"));
    let context = context();
    let key = id(1);
    let revoked = apply(&store, &key, &revoke, &context);
    let revoked = tokio::time::timeout(Duration::from_secs(15), revoked).await;
    assert!(revoked.unwrap().unwrap().revocation().is_some());
    lock.rollback().await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_forget_at_once() {
    let Some(one) = store("forget_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    let two = keys::another("forget_").await;
    server.sql(
        "INSERT INTO forget_audit (at, action, key_id, owner, actor, reason, detail) \
         SELECT n, 'issued', decode(repeat('01', 16), 'hex'), 'acct_42', 'a', '', '{}' \
         FROM generate_series(1, 9000) n",
    );
    let before = Timestamp::from_microsecond(8_001).unwrap();
    let tasks = [&one, &two].map(|store| {
        let store = store.clone();
        tokio::spawn(async move { store.prune_audit_before(before).await.unwrap() })
    });
    let mut forgotten = 0;
    for task in tasks {
        forgotten += task.await.unwrap();
    }
    assert_eq!(forgotten, 8_000);
    assert_eq!(
        server.sql("SELECT min(at), count(*) FROM forget_audit"),
        "8001|1000"
    );
}

#[tokio::test]
async fn rows_that_are_no_entry_are_named() {
    let Some(store) = store("entries_").await else {
        return;
    };
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let server = PostgresServer::shared().unwrap();
    server.sql("UPDATE entries_audit SET action = 'hunter2'");
    let page = AuditPageRequest::default();
    let error = store.audit("acct_42", &page).await.unwrap_err();
    let message = format!(
        "PostgreSQL at 127.0.0.1:{}/postgres: an entry of the audit trail is corrupt: ",
        server.port()
    );
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().starts_with(&message), "{error}");
    keys::assert_tells_no_secret(&error);
}

#[tokio::test]
async fn the_rights_of_the_documentation_suffice() {
    let Some(_) = store("guest_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    server.sql("CREATE ROLE guest_of_tables LOGIN PASSWORD 'hunter2'");
    let tables = "SELECT string_agg(tablename, ', ') FROM pg_tables WHERE tablename ^@ 'guest_'";
    let tables = server.sql(tables);
    server.sql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO guest_of_tables"
    ));
    let url = server.url_of("guest_of_tables", "hunter2", "postgres");
    let guest = PostgresStore::connect_with(&url, keys::options("guest_"))
        .await
        .unwrap();
    guest.migrate().await.unwrap();
    let insert = Insert::new(record(1), &context())
        .with_max_keys_per_owner(Some(2))
        .with_idempotency_key(Some([1; 32]));
    guest.insert(insert).await.unwrap();
    guest.record_usage(&batch([used(1, 0)])).await.unwrap();
    assert_eq!(sums(&guest, 1).await.len(), 1);
    for change in [rotation(digest(2)), KeyChange::Delete] {
        apply(&guest, &id(1), &change, &context()).await.unwrap();
    }
    let page = AuditPageRequest::default();
    let entries = guest.audit("acct_42", &page).await.unwrap();
    assert_eq!(entries.entries().len(), 3);
    assert_eq!(guest.prune_audit_before(at(1)).await.unwrap(), 3);
    assert_eq!(guest.prune_usage_before(at(1)).await.unwrap(), 0);
}
