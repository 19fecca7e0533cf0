//! A store that counts how often it is asked.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyId, KeyRecord};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, Commit, Insert, Inserted, KeyPage, PageRequest, Store,
    StoreError, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::{KeyManager, KeyRegistry, KeyStore, MemoryStore};

use crate::dashboard::Keys;

/// How often the store was asked since the count was taken.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

pub(crate) fn counted() -> (Keys, Calls) {
    let calls = Calls::default();
    let store: Arc<dyn Store> = Arc::new(Counted(MemoryStore::new(), calls.clone()));
    (KeyManager::new(store), calls)
}

struct Counted(MemoryStore, Calls);

impl Counted {
    fn store(&self) -> &MemoryStore {
        self.1.0.fetch_add(1, Ordering::Relaxed);
        &self.0
    }
}

#[async_trait]
impl KeyStore for Counted {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.store().find(digest).await
    }
}

#[async_trait]
impl KeyRegistry for Counted {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        self.store().insert(insert).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.store().get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.store().list(owner, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.store().commit(commit).await
    }
}

#[async_trait]
impl AuditLog for Counted {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.store().audit(owner, page).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.store().prune_audit_before(at).await
    }
}

#[async_trait]
impl UsageStore for Counted {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.store().record_usage(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.store().usage(id, hours).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.store().prune_usage_before(hour).await
    }
}
