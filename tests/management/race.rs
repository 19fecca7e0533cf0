//! A key that is narrowed while it changes itself.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{ChangeContext, KeyChange, KeyId, KeyRecord, KeyUpdate};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, Commit, Insert, Inserted, KeyPage, KeyStore,
    PageRequest, StoreError, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, MemoryStore, Scope};

use crate::kit::{MANAGE, server_of};

/// Before one of its reads, somebody else changes the key.
#[derive(Clone, Default)]
struct Meddled {
    inner: MemoryStore,
    change: Arc<std::sync::Mutex<Option<KeyChange>>>,
    reads_before: Arc<AtomicUsize>,
}

#[async_trait]
impl KeyStore for Meddled {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.find(digest).await
    }
}

#[async_trait]
impl KeyRegistry for Meddled {
    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        if self.reads_before.fetch_sub(1, Ordering::SeqCst) == 0 {
            let change = self.change.lock().unwrap().take();
            if let Some(change) = change {
                let context = ChangeContext::new(Timestamp::UNIX_EPOCH);
                apply(&self.inner, id, &change, &context).await?;
            }
        }
        self.inner.get(id).await
    }

    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        self.inner.insert(insert).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.inner.list(owner, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.inner.commit(commit).await
    }
}

#[async_trait]
impl AuditLog for Meddled {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.inner.audit(owner, page).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune_audit_before(at).await
    }
}

#[async_trait]
impl UsageStore for Meddled {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.inner.record_usage(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.inner.usage(id, hours).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune_usage_before(hour).await
    }
}

#[tokio::test]
async fn a_key_does_not_undo_what_is_taken_from_it_meanwhile() {
    let narrowed = KeyUpdate::new().with_scopes([Scope::READ, MANAGE]);
    for change in [KeyChange::Update(narrowed), KeyChange::Disable] {
        for reads_before in 1..4 {
            let store = Meddled::default();
            let server = server_of(store.clone(), |keys| keys);
            let maker = server
                .manager_of("acct_42", &[Scope::READ, Scope::WRITE])
                .await;
            *store.change.lock().unwrap() = Some(change.clone());
            store.reads_before.store(reads_before, Ordering::SeqCst);

            let body = json!({"scopes": ["read", "write", "keys:manage"], "disabled": false});
            let one = format!("/keys/{}", maker.record.id());
            let answer = server.ask(&maker, "PATCH", &one, Some(body)).await;
            let taken = store.change.lock().unwrap().is_none();
            let now = store.inner.get(&maker.record.id()).await.unwrap().unwrap();
            let is_weaker = now.is_disabled() || !now.scopes().contains(&Scope::WRITE);
            assert_eq!(is_weaker, taken, "{change:?} {reads_before} {answer:?}");
            assert_eq!(answer.status, if taken { 403 } else { 200 }, "{answer:?}");
        }
    }
}
