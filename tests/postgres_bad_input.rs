//! Keys in PostgreSQL: each thing that is wrong is a clear error without credentials.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", feature = "test-util", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::error::Error;
use std::time::Duration;

use changes::context;
use keys::{assert_tells_no_secret, digest, id, record};
use server::{PASSWORD, PostgresServer, free_port};
use tower_api_key::record::KeyChange;
use tower_api_key::store::{
    Insert, PageRequest, PostgresOptions, PostgresStore, StoreError, StoreErrorKind,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore};

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
    message: &str,
) -> StoreError {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), &*error.to_string()), (kind, message));
    assert_tells_no_secret(&error);
    error
}

#[track_caller]
fn assert_cause(error: &StoreError, expected: &str) {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    assert_eq!(cause, expected);
}

const MISCONFIGURED: StoreErrorKind = StoreErrorKind::Misconfigured;

#[tokio::test]
async fn a_text_that_is_no_url_is_refused_and_not_repeated() {
    for (url, found) in [
        ("mysql://u:hunter2@h/db", "found mysql://"),
        ("hunter2", "found another text"),
        ("host=h password=hunter2", "found another text"),
        ("hunter 2://h", "found another text"),
        (
            "postgres://u:hunter2@h/db?sslrootcert=/ca.pem",
            "found the option sslrootcert, which is not supported",
        ),
        ("postgres://u:x@h/db?hunter2=1", "found an unknown option"),
        (
            "postgres://u:x@h/db?sslmode=hunter2",
            "found an invalid value for option `sslmode`",
        ),
        (
            "postgres://u:hunter2",
            "found an invalid value for option `port`",
        ),
        ("postgres://u:x@h/db?hunter2", "found another text"),
        ("postgres:///db?password=hunter2", "found no host"),
        (
            "postgres://u:x@y/hunter2@h/db",
            "found a second @; in a password it is written %40",
        ),
        (
            "postgres://u:x@hunter2@h/db",
            "found a second @; in a password it is written %40",
        ),
    ] {
        let message = format!("expected a URL such as postgres://user@host:5432/database, {found}");
        assert_fails(PostgresStore::connect(url).await, MISCONFIGURED, &message);
    }
}

#[tokio::test]
async fn options_out_of_their_bounds_are_refused() {
    let options = PostgresOptions::new;
    let short = Duration::from_millis(9);
    let hour = Duration::from_secs(3_600);
    let zero = Duration::ZERO;
    let prefix =
        "expected a table prefix of 1 to 32 of a-z, 0-9 and _ that starts with a letter, found ";
    for (options, message) in [
        (options().with_table_prefix(""), format!("{prefix}\"\"")),
        (options().with_table_prefix("1a"), format!("{prefix}\"1a\"")),
        (options().with_table_prefix("A"), format!("{prefix}\"A\"")),
        (
            options().with_table_prefix("a;--"),
            format!("{prefix}\"a;--\""),
        ),
        (
            options().with_table_prefix("a".repeat(33)),
            format!("{prefix}\"{}\"", "a".repeat(33)),
        ),
        (
            options().with_connections(0),
            "expected 1 to 64 connections, found 0".to_owned(),
        ),
        (
            options().with_connections(65),
            "expected 1 to 64 connections, found 65".to_owned(),
        ),
        (
            options().with_max_calls(0),
            "expected 1 to 1000000 calls at once, found 0".to_owned(),
        ),
        (
            options().with_deadline(short),
            "expected a deadline from 10ms to 3600s, found 9ms".to_owned(),
        ),
        (
            options().with_proof_interval(hour * 2),
            "expected a proof interval from 10ms to 3600s, found 7200s".to_owned(),
        ),
        (
            options().with_reconnect_backoff(zero, hour),
            "expected backoff from more than 0 up to at most 3600s, found 0ns to 3600s".to_owned(),
        ),
        (
            options().with_reconnect_backoff(hour, short),
            "expected backoff from more than 0 up to at most 3600s, found 3600s to 9ms".to_owned(),
        ),
        (
            options().with_root_certificates("none"),
            "expected root certificates as PEM text, found none".to_owned(),
        ),
    ] {
        let store = PostgresStore::connect_with("postgres://127.0.0.1:1/db", options).await;
        assert_fails(store, MISCONFIGURED, &message);
    }
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_named() {
    let port = free_port();
    let url = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/app?sslmode=disable");
    let none = format!("PostgreSQL at 127.0.0.1:{port}/app: the connection failed");
    let error = assert_fails(
        PostgresStore::connect(&url).await,
        StoreErrorKind::Unavailable,
        &none,
    );
    assert_cause(&error, "error connecting to server");

    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let at = format!("PostgreSQL at 127.0.0.1:{}", server.port());
    for (url, database, fact, cause) in [
        (
            server.url_of("postgres", "wrong-one", "postgres"),
            "postgres",
            "the credentials were rejected",
            "password authentication failed for user \"postgres\" (SQLSTATE 28P01)",
        ),
        (
            server.url_of("nobody", PASSWORD, "postgres"),
            "postgres",
            "the credentials were rejected",
            "password authentication failed for user \"nobody\" (SQLSTATE 28P01)",
        ),
        (
            server.url().replace(&format!(":{PASSWORD}"), ""),
            "postgres",
            "the credentials were rejected",
            "invalid configuration",
        ),
        (
            server.url_of("postgres", PASSWORD, "nowhere"),
            "nowhere",
            "the database does not exist",
            "database \"nowhere\" does not exist (SQLSTATE 3D000)",
        ),
        (
            server.url().replace("disable", "require"),
            "postgres",
            "the server has no TLS certificate that is trusted for this host",
            "error performing TLS handshake",
        ),
    ] {
        let message = format!("{at}/{database}: {fact}");
        let error = assert_fails(PostgresStore::connect(&url).await, MISCONFIGURED, &message);
        assert_cause(&error, cause);
    }
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    let shown = format!("{store:?} {store:#?}");
    assert!(
        shown.contains("PostgresStore") && !shown.contains(PASSWORD),
        "{shown}"
    );
}

#[tokio::test]
async fn tables_of_another_version_are_refused() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let address = format!("PostgreSQL at 127.0.0.1:{}/postgres", server.port());
    let options = keys::options("version_").with_connections(1);
    let store = PostgresStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    let none = format!("{address}: the tables version_* do not exist; call migrate()");
    assert_fails(store.find(&digest(1)).await, MISCONFIGURED, &none);
    assert_fails(
        store.insert(Insert::new(record(1), &context())).await,
        MISCONFIGURED,
        &none,
    );
    assert_fails(
        apply(&store, &id(1), &KeyChange::Disable, &context()).await,
        MISCONFIGURED,
        &none,
    );

    store.migrate().await.unwrap();
    assert_eq!(store.find(&digest(1)).await.unwrap(), None);
    for version in ["2", "-1"] {
        server.sql(&format!("UPDATE version_meta SET version = {version}"));
        let message = format!(
            "{address}: the tables version_* have version {version}; this release needs version 1"
        );
        assert_fails(store.migrate().await, MISCONFIGURED, &message);
        let late = keys::another("version_").await;
        assert_fails(late.find(&digest(1)).await, MISCONFIGURED, &message);
    }
    server.sql(
        "DROP TABLE version_secrets, version_keys, version_meta CASCADE; \
         CREATE TABLE version_keys ()",
    );
    let error = store.migrate().await.unwrap_err();
    assert_eq!(error.kind(), MISCONFIGURED);
    assert_cause(
        &error,
        "relation \"version_keys\" already exists (SQLSTATE 42P07)",
    );
    // Nothing is half made.
    assert_eq!(
        server.sql("SELECT to_regclass('version_meta') IS NULL"),
        "t"
    );
    assert_fails(
        store.find(&digest(1)).await,
        MISCONFIGURED,
        &format!("{address}: the tables do not exist or do not fit; call migrate()"),
    );
}

#[tokio::test]
async fn a_server_that_refuses_a_statement_is_named() {
    let Some(store) = keys::store("rights_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    let address = format!("PostgreSQL at 127.0.0.1:{}/postgres", server.port());
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    server.sql("CREATE ROLE guest LOGIN PASSWORD 'hunter2'; GRANT SELECT ON rights_meta TO guest");
    let url = server.url_of("guest", "hunter2", "postgres");
    let guest = PostgresStore::connect_with(&url, keys::options("rights_"))
        .await
        .unwrap();
    let message = format!("{address}: the role lacks privileges");
    let error = assert_fails(guest.find(&digest(1)).await, MISCONFIGURED, &message);
    assert_cause(
        &error,
        "permission denied for table rights_secrets (SQLSTATE 42501)",
    );

    let url = format!(
        "{}&options=-c%20default_transaction_read_only%3Don",
        server.url()
    );
    let replica = PostgresStore::connect_with(&url, keys::options("rights_")).await;
    let message = format!("{address}: the connection failed");
    let error = assert_fails(replica, StoreErrorKind::Unavailable, &message);
    let cause = error.source().unwrap().source().unwrap().to_string();
    assert_eq!(cause, "database does not allow writes");
}

#[tokio::test]
async fn a_document_that_is_no_record_is_named() {
    let Some(store) = keys::store("corrupt_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    for number in [1, 7] {
        let insert = Insert::new(record(number), &context());
        store.insert(insert).await.unwrap();
    }
    let corrupt = StoreErrorKind::Corrupt;
    let key = "id = decode(repeat('07', 16), 'hex')";
    for (document, cause) in [
        (
            "'\"hunter2\"'",
            "the key document is invalid at line 1 column 9",
        ),
        (
            "document || '{\"version\": 9}'",
            "the key document has version 9, written by another version of this crate",
        ),
        (
            "jsonb_set(document || '{\"version\": 1}', '{secrets,0,digest}', '\"hunter2\"')",
            "the key document has a digest that is not SHA-256",
        ),
        (
            "(SELECT document FROM corrupt_keys WHERE id = decode(repeat('01', 16), 'hex'))",
            "the key document is that of another key",
        ),
        (
            "document || '{\"changes\": 7}'",
            "the key document has another revision than its row",
        ),
    ] {
        server.sql(&format!(
            "CREATE TABLE corrupt_saved AS TABLE corrupt_keys; \
             UPDATE corrupt_keys SET document = {document} WHERE {key}"
        ));
        let message = format!("key {}: {cause}", id(7));
        let error = assert_fails(store.find(&digest(7)).await, corrupt, &message);
        assert_cause(&error, cause);
        assert_fails(store.get(&id(7)).await, corrupt, &message);
        let page = PageRequest::default();
        assert_fails(store.list("acct_42", &page).await, corrupt, &message);
        let disable = KeyChange::Disable;
        let changed = apply(&store, &id(7), &disable, &context()).await;
        assert_fails(changed, corrupt, &message);
        // Other keys are served.
        assert_eq!(*store.get(&id(1)).await.unwrap().unwrap(), record(1));
        assert!(store.find(&digest(1)).await.unwrap().is_some());
        server.sql(
            "UPDATE corrupt_keys k SET document = s.document FROM corrupt_saved s \
             WHERE k.id = s.id; DROP TABLE corrupt_saved",
        );
    }
    assert_eq!(*store.get(&id(7)).await.unwrap().unwrap(), record(7));
}
