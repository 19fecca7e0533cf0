//! A bound on every wait for a store.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::timeout;

use super::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use super::contract::error::{StoreError, StoreErrorKind};
use super::contract::key_store::KeyStore;
use super::contract::page::{KeyPage, PageRequest};
use super::contract::registry::KeyRegistry;
use super::contract::usage::{UsageBatch, UsageBucket, UsageStore};
use super::contract::write::{Commit, Insert, Inserted};
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;

/// Bounds every wait for another store: a call that takes longer than the timeout fails with
/// [`TimedOut`](StoreErrorKind::TimedOut), and the request is denied with 503.
///
/// The call that takes too long is dropped. A change may then have been made or not: look before
/// you repeat it.
///
/// # Panics
///
/// Every method but [`try_find`](KeyStore::try_find) panics outside of a tokio runtime with its timer
/// enabled, even when the other store answers without waiting. In the layer, such a request is denied
/// with 503.
///
/// `try_find` never waits, so it needs neither runtime nor timer, and has no timeout.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::{MemoryStore, TimeoutStore};
///
/// let store = TimeoutStore::new(MemoryStore::new(), Duration::from_millis(500));
/// ```
#[derive(Clone, Debug)]
pub struct TimeoutStore<S> {
    inner: S,
    timeout: Duration,
}

impl<S> TimeoutStore<S> {
    /// Bounds every wait for `inner` by `timeout`.
    pub fn new(inner: S, timeout: Duration) -> Self {
        Self { inner, timeout }
    }

    /// The store whose waits are bounded.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    async fn bound<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.timeout, call)
            .await
            .unwrap_or_else(|_| Err(timed_out(self.timeout)))
    }
}

fn timed_out(after: Duration) -> StoreError {
    let message = format!("the store timed out after {after:?}");
    StoreError::new(StoreErrorKind::TimedOut, message)
}

#[async_trait]
impl<S: KeyStore> KeyStore for TimeoutStore<S> {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.bound(self.inner.find(digest)).await
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        self.inner.try_find(digest)
    }
}

#[async_trait]
impl<S: KeyRegistry> KeyRegistry for TimeoutStore<S> {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        self.bound(self.inner.insert(insert)).await
    }

    /// The timeout is that of one insert, times their number; when it is over, all of them fail.
    async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
        let count = inserts.len();
        let whole = self
            .timeout
            .saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        match timeout(whole, self.inner.insert_many(inserts)).await {
            Ok(answers) => answers,
            Err(_) => (0..count).map(|_| Err(timed_out(whole))).collect(),
        }
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.bound(self.inner.get(id)).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.bound(self.inner.list(owner, page)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.bound(self.inner.commit(commit)).await
    }
}

#[async_trait]
impl<S: AuditLog> AuditLog for TimeoutStore<S> {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.bound(self.inner.audit(owner, page)).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.bound(self.inner.prune_audit_before(at)).await
    }
}

#[async_trait]
impl<S: UsageStore> UsageStore for TimeoutStore<S> {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.bound(self.inner.record_usage(batch)).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.bound(self.inner.usage(id, hours)).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.bound(self.inner.prune_usage_before(hour)).await
    }
}
