//! Stores and records for the tests of PostgreSQL.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::error::Error;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tower_api_key::Scope;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::{PostgresOptions, PostgresStore, StoreError};

use crate::server::{PASSWORD, PostgresServer};

/// A store with tables of its own on the shared server.
pub(crate) async fn store(prefix: &str) -> Option<PostgresStore> {
    PostgresServer::shared()?;
    let store = another(prefix).await;
    store.migrate().await.unwrap();
    Some(store)
}

/// Another store with the same tables.
pub(crate) async fn another(prefix: &str) -> PostgresStore {
    let url = PostgresServer::shared().unwrap().url();
    PostgresStore::connect_with(&url, options(prefix))
        .await
        .unwrap()
}

/// Options for a machine that is busy with other tests.
pub(crate) fn options(prefix: &str) -> PostgresOptions {
    PostgresOptions::new()
        .with_table_prefix(prefix)
        .with_deadline(Duration::from_secs(20))
}

pub(crate) fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00.000001Z".parse().unwrap();
    start + SignedDuration::from_secs(second)
}

pub(crate) fn id(number: u8) -> KeyId {
    KeyId::from_bytes([number; 16])
}

pub(crate) fn digest(number: u8) -> KeyDigest {
    KeyDigest::from_bytes([number; 32])
}

pub(crate) fn version(number: u32, digest: KeyDigest) -> SecretVersion {
    SecretVersion::new(number, digest, "0123abcd".parse().unwrap(), at(0))
}

/// A key whose id and digest are that octet, repeated.
pub(crate) fn record(number: u8) -> KeyRecord {
    KeyRecord::new(id(number), "acct_42", "CI", at(0))
        .with_scopes(Scope::READ)
        .with_secret_versions([version(1, digest(number))])
}

pub(crate) fn rotation(digest: KeyDigest) -> KeyChange {
    KeyChange::Rotate {
        digest,
        prefix: "89abcdef".parse().unwrap(),
        at: at(0),
        others_retire_at: at(3_600),
    }
}

/// Neither password nor digest is in an error, nor in what caused it.
#[track_caller]
pub(crate) fn assert_tells_no_secret(error: &StoreError) {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            format!("{error:#?}"),
        ] {
            for secret in [
                PASSWORD,
                "hunter2",
                "0101",
                "0909",
                "1, 1, 1, 1",
                "9, 9",
                "wrong-one",
            ] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        cause = error.source();
    }
}

/// Waits until something is so.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
