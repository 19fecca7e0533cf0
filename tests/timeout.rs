//! A bound on every wait for a store; time is paused, and moves only when everything waits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "tokio")]

mod support;

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use support::changes::{batch, context};
use support::inner::Probe;
use support::stores::{Counting, Fixed, Found, Gated, Hangs};
use support::{get, issue, keys, send};
use tokio::time::Instant;
use tower::Layer;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, Transition};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, Commit, Insert, Inserted, KeyPage, KeyUse, PageRequest,
    StoreError, StoreErrorKind, TimeoutStore, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::{ApiKeyLayer, KeyManager, KeyRegistry, KeyStore, Scope};

const TIMEOUT: Duration = Duration::from_millis(500);

#[track_caller]
fn assert_timed_out<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the store timed out after 500ms");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_denied_at_the_timeout() {
    let (probe, seen) = Probe::new();
    let mut service = ApiKeyLayer::new(TimeoutStore::new(Hangs, TIMEOUT)).layer(probe);
    let began = Instant::now();
    let answer = send(&mut service, get(support::UNKNOWN)).await;
    answer.assert_refused(DenialKind::StoreFailed);
    assert_eq!(began.elapsed(), TIMEOUT);
    send(&mut service, get("tc_x"))
        .await
        .assert_refused(DenialKind::Malformed);
    assert_eq!((began.elapsed(), seen.calls()), (TIMEOUT, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_timeout_counts() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let store = Gated::new(keys.store().clone());
    let bounded = TimeoutStore::new(store.clone(), TIMEOUT);
    let mut service = ApiKeyLayer::new(bounded).layer(Probe::new().0);
    {
        let mut answer = Box::pin(send(&mut service, get(key.expose_secret())));
        assert!(futures::poll!(&mut answer).is_pending());
        tokio::time::advance(Duration::from_millis(499)).await;
        assert!(futures::poll!(&mut answer).is_pending());
        store.let_through(1);
        answer.await.assert_allowed();
    }
    let answer = send(&mut service, get(key.expose_secret())).await;
    answer.assert_refused(DenialKind::StoreFailed);
}

/// No runtime is there: only a timer would need one.
#[test]
fn an_answer_that_needs_no_wait_needs_no_timer() {
    futures::executor::block_on(async {
        let keys = keys();
        let key = issue(&keys, Scope::READ).await.key;
        let store = Counting::new(keys.store().clone());
        let bounded = TimeoutStore::new(store.clone(), TIMEOUT);
        let mut service = ApiKeyLayer::new(bounded).layer(Probe::new().0);
        send(&mut service, get(key.expose_secret()))
            .await
            .assert_allowed();
        assert_eq!(store.count(), 1);
        let bounded = TimeoutStore::new(Fixed::FailsNow, TIMEOUT);
        let mut service = ApiKeyLayer::new(bounded).layer(Probe::new().0);
        let answer = send(&mut service, get(key.expose_secret())).await;
        answer.assert_refused(DenialKind::StoreFailed);
        // Where a timer is needed and there is no runtime, the request is denied.
        let bounded = TimeoutStore::new(Hangs, TIMEOUT);
        let mut service = ApiKeyLayer::new(bounded).layer(Probe::new().0);
        let answer = send(&mut service, get(key.expose_secret())).await;
        answer.assert_refused(DenialKind::Panicked);
    });
}

#[async_trait]
impl KeyRegistry for Hangs {
    async fn insert(&self, _: Insert) -> Result<Inserted, StoreError> {
        std::future::pending().await
    }

    async fn get(&self, _: &KeyId) -> Found {
        std::future::pending().await
    }

    async fn list(&self, _: &str, _: &PageRequest) -> Result<KeyPage, StoreError> {
        std::future::pending().await
    }

    async fn commit(&self, _: Commit) -> Result<(), StoreError> {
        std::future::pending().await
    }
}

#[async_trait]
impl AuditLog for Hangs {
    async fn audit(&self, _: &str, _: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        std::future::pending().await
    }

    async fn prune_audit_before(&self, _: Timestamp) -> Result<u64, StoreError> {
        std::future::pending().await
    }
}

#[async_trait]
impl UsageStore for Hangs {
    async fn record_usage(&self, _: &UsageBatch) -> Result<(), StoreError> {
        std::future::pending().await
    }

    async fn usage(&self, _: &KeyId, _: Range<Timestamp>) -> Result<Vec<UsageBucket>, StoreError> {
        std::future::pending().await
    }

    async fn prune_usage_before(&self, _: Timestamp) -> Result<u64, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_bounded() {
    let store = TimeoutStore::new(Hangs, TIMEOUT);
    let id = KeyId::from_bytes([1; 16]);
    let record = KeyRecord::new(id, "acct_42", "CI", Timestamp::UNIX_EPOCH);
    let began = Instant::now();
    assert_timed_out(store.find(&KeyDigest::from_bytes([1; 32])).await);
    assert_timed_out(store.insert(Insert::new(record.clone(), &context())).await);
    assert_timed_out(store.get(&id).await);
    assert_timed_out(store.list("acct_42", &PageRequest::default()).await);
    let disable = Transition::of(&KeyChange::Disable, &record, &context()).unwrap();
    assert_timed_out(store.commit(Commit::of(&record, disable).unwrap()).await);
    let page = AuditPageRequest::default();
    assert_timed_out(store.audit("acct_42", &page).await);
    assert_timed_out(store.prune_audit_before(Timestamp::MAX).await);
    assert_timed_out(store.record_usage(&batch([])).await);
    assert_timed_out(store.usage(&id, Timestamp::MIN..Timestamp::MAX).await);
    assert_timed_out(store.prune_usage_before(Timestamp::MAX).await);
    assert_eq!(began.elapsed(), TIMEOUT * 10);
    assert!(store.try_find(&KeyDigest::from_bytes([1; 32])).is_none());

    let error = KeyManager::new(store).disable(&id).await.unwrap_err();
    assert_eq!(error.kind(), tower_api_key::manage::ManageErrorKind::Store);
    assert_eq!(error.to_string(), "the store of keys failed");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the store timed out after 500ms");
}

#[tokio::test(start_paused = true)]
async fn a_manager_works_on_a_bounded_store() {
    let store = TimeoutStore::new(keys().store().clone(), TIMEOUT);
    let keys = KeyManager::new(store);
    let new = tower_api_key::NewKey::new("acct_42", "CI");
    let issued = keys.issue(new).await.unwrap();
    let id = issued.record.id();
    keys.rotate(&id, TIMEOUT).await.unwrap();
    assert_eq!(
        keys.get(&id)
            .await
            .unwrap()
            .unwrap()
            .secret_versions()
            .len(),
        2
    );
    let page = keys.list("acct_42", &PageRequest::default()).await.unwrap();
    assert_eq!(page.keys().len(), 1);
    let used = KeyUse::new(id, 2, Timestamp::UNIX_EPOCH);
    keys.store().record_usage(&batch([used])).await.unwrap();
    assert_eq!(keys.store().inner().len(), 1);
    let record = keys.get(&id).await.unwrap().unwrap();
    assert_eq!(record.last_used_at(), Some(Timestamp::UNIX_EPOCH));
    assert!(
        keys.verifier()
            .verify(issued.key.expose_secret())
            .await
            .is_ok()
    );
}
