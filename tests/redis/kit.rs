//! Servers with a store, records, and what a feed tells.

use std::error::Error;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{
    ChangeContext, KeyChange, KeyId, KeyRecord, SecretVersion, Transition,
};
use tower_api_key::store::{
    AuditLog, ChangeFeed, Commit, FeedEvent, FeedListener, Insert, KeyUse, RedisOptions,
    RedisStore, StoreError, StoreErrorKind, UsageBatch, UsageStore,
};
use tower_api_key::{KeyStore, Scope};

pub(crate) use crate::redis_server::RedisServer;

/// Longer than a server that works takes to answer, however busy the machine is.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// For tests of a server that does not answer.
pub(crate) const SHORT_DEADLINE: Duration = Duration::from_secs(1);

pub(crate) fn options() -> RedisOptions {
    RedisOptions::new()
        .with_deadline(DEADLINE)
        .with_connect_deadline(DEADLINE)
        .with_reconnect_backoff(Duration::from_millis(10), Duration::from_millis(50))
        .with_proof_interval(Duration::from_millis(20))
}

/// Options for a test that waits until a silent server is too late.
pub(crate) fn impatient() -> RedisOptions {
    options()
        .with_deadline(SHORT_DEADLINE)
        .with_connect_deadline(SHORT_DEADLINE)
}

pub(crate) async fn store(server: &RedisServer) -> RedisStore {
    store_with(server, options()).await
}

pub(crate) async fn store_with(server: &RedisServer, options: RedisOptions) -> RedisStore {
    let store = RedisStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store
}

pub(crate) fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(second)
}

pub(crate) fn id(number: u32) -> KeyId {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    KeyId::from_bytes(bytes)
}

pub(crate) fn digest(number: u32) -> KeyDigest {
    let mut bytes = [0xd1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    KeyDigest::from_bytes(bytes)
}

pub(crate) fn version(number: u32, digest: KeyDigest) -> SecretVersion {
    SecretVersion::new(number, digest, "0123abcd".parse().unwrap(), at(0))
}

/// A key with the id and the digest of that number.
pub(crate) fn record(number: u32) -> KeyRecord {
    KeyRecord::new(id(number), "acct_42", "CI", at(0))
        .with_scopes(Scope::READ)
        .with_secret_versions([version(1, digest(number))])
}

/// A change at second 0, without conditions.
pub(crate) fn context() -> ChangeContext {
    ChangeContext::new(at(0))
}

/// The insert of a key at second 0, without conditions.
pub(crate) fn adding(record: KeyRecord) -> Insert {
    Insert::new(record, &context())
}

/// The commit of a change of that key at second 0.
pub(crate) fn committing(before: &KeyRecord, change: &KeyChange) -> Commit {
    let transition = Transition::of(change, before, &context()).unwrap();
    Commit::of(before, transition).unwrap()
}

/// The first batch of a new writer.
pub(crate) fn batch(uses: impl IntoIterator<Item = KeyUse>) -> UsageBatch {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut writer = [0xc3; 16];
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    writer[8..].copy_from_slice(&number.to_be_bytes());
    UsageBatch::new(writer, 1, uses)
}

pub(crate) fn rotation(new: KeyDigest, others_retire_at: Timestamp) -> KeyChange {
    KeyChange::Rotate {
        digest: new,
        prefix: "89abcdef".parse().unwrap(),
        at: at(10),
        others_retire_at,
    }
}

/// Prunes the audit trail and the usage, and fails unless nothing of a key is left.
pub(crate) async fn assert_empty(server: &RedisServer, store: &RedisStore) {
    store.prune_audit_before(Timestamp::MAX).await.unwrap();
    store.prune_usage_before(Timestamp::MAX).await.unwrap();
    // Only the version of the store, and the number of the last entry.
    assert_eq!(server.command(&["DBSIZE"]), ":2\r\n");
}

pub(crate) async fn find(store: &RedisStore, number: u32) -> Option<Arc<KeyRecord>> {
    store.find(&digest(number)).await.unwrap()
}

#[track_caller]
pub(crate) fn assert_fails<T: Debug>(
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
    message: &str,
) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), &*error.to_string()), (kind, message));
}

/// Of the servers that ask for one.
pub(crate) const PASSWORD: &str = "s3cr3t-of-redis";

/// Fails if the error, or what caused it, tells the password or a digest.
#[track_caller]
pub(crate) fn assert_tells_no_secret(error: &StoreError) {
    let mut shown = vec![format!("{error:?}")];
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(one) = cause {
        shown.push(format!("{one} {one:?}"));
        cause = one.source();
    }
    let shown = shown.join("\n");
    for secret in [PASSWORD, "d1d1", "hunter"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[track_caller]
pub(crate) fn assert_is<T: Debug>(
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
    message: &str,
) {
    if let Err(error) = &result {
        assert_tells_no_secret(error);
    }
    assert_fails(result, kind, message);
}

/// Asks again and again until it is so, for at most a minute.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .expect("it is never so")
}

/// Everything that a feed has told.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<FeedEvent>>);

impl Heard {
    pub(crate) fn of(store: &RedisStore) -> Arc<Self> {
        let heard = Arc::new(Self::default());
        let listener: Arc<dyn FeedListener> = heard.clone();
        store.watch(Arc::downgrade(&listener));
        heard
    }

    /// What was told since the last time.
    pub(crate) fn take(&self) -> Vec<FeedEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// What is told until an event is that; nothing that is told later.
    pub(crate) async fn until(&self, is_it: impl Fn(&FeedEvent) -> bool) -> Vec<FeedEvent> {
        eventually(async || {
            let mut events = self.0.lock().unwrap();
            let end = events.iter().position(&is_it)?;
            Some(events.drain(..=end).collect())
        })
        .await
    }

    /// Waits until a proof is told that was asked for after this call.
    pub(crate) async fn proof(&self) -> Vec<FeedEvent> {
        let now = std::time::Instant::now();
        self.until(|event| matches!(event, FeedEvent::CaughtUp { as_of } if *as_of > now))
            .await
    }
}

impl FeedListener for Heard {
    fn on_event(&self, event: FeedEvent) {
        self.0.lock().unwrap().push(event);
    }
}

/// The events without the proofs.
pub(crate) fn without_proofs(events: &[FeedEvent]) -> Vec<FeedEvent> {
    let events = events.iter().copied();
    events
        .filter(|event| !matches!(event, FeedEvent::CaughtUp { .. }))
        .collect()
}
