//! A bound on every wait for a store.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::timeout;

use super::audit_page::{AuditPage, AuditPageRequest};
use super::error::{StoreError, StoreErrorKind};
use super::key_store::KeyStore;
use super::page::{KeyPage, PageRequest};
use super::registry::KeyRegistry;
use super::scope_use::ScopeUse;
use super::usage::{UsageBatch, UsageBucket};
use crate::key::digest::KeyDigest;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;

/// Bounds every wait for another store: what takes longer than the deadline is a
/// [`TimedOut`](StoreErrorKind::TimedOut) error, and the request is refused with 503.
///
/// The call that takes too long is dropped. A change may then have been made or not: look before
/// you repeat it.
///
/// # Panics
///
/// Every method but [`find_now`](KeyStore::find_now) panics outside of a tokio runtime with its timer
/// enabled, even when the other store answers without waiting. In the layer, such a request is denied
/// with 503.
///
/// `find_now` never waits, so it needs neither runtime nor timer, and has no deadline.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::{DeadlineStore, MemoryStore};
///
/// let store = DeadlineStore::new(MemoryStore::new(), Duration::from_millis(500));
/// ```
#[derive(Clone, Debug)]
pub struct DeadlineStore<S> {
    inner: S,
    deadline: Duration,
}

impl<S> DeadlineStore<S> {
    /// Bounds every wait for `inner` by `deadline`.
    pub fn new(inner: S, deadline: Duration) -> Self {
        Self { inner, deadline }
    }

    /// The store whose waits are bounded.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    async fn bound<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.deadline, call)
            .await
            .unwrap_or_else(|_| Err(late(self.deadline)))
    }
}

fn late(deadline: Duration) -> StoreError {
    let message = format!("expected an answer within {deadline:?}, found none");
    StoreError::new(StoreErrorKind::TimedOut, message)
}

#[async_trait]
impl<S: KeyStore> KeyStore for DeadlineStore<S> {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.bound(self.inner.find(digest)).await
    }

    fn find_now(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        self.inner.find_now(digest)
    }
}

#[async_trait]
impl<S: KeyRegistry> KeyRegistry for DeadlineStore<S> {
    async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        self.bound(self.inner.insert(record, context)).await
    }

    /// Each record has a deadline of its own; a batch that takes longer than all of them together
    /// counts as not answered.
    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let count = records.len();
        let whole = self
            .deadline
            .saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        match timeout(whole, self.inner.insert_many(records, context)).await {
            Ok(answers) => answers,
            Err(_) => (0..count).map(|_| Err(late(whole))).collect(),
        }
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.bound(self.inner.get(id)).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.bound(self.inner.list(owner, page)).await
    }

    async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        self.bound(self.inner.apply(id, change, context)).await
    }

    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.bound(self.inner.audit(owner, page)).await
    }

    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.bound(self.inner.forget_audit_before(at)).await
    }

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

    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        self.bound(self.inner.scope_uses(id)).await
    }

    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.bound(self.inner.forget_usage_before(hour)).await
    }
}
