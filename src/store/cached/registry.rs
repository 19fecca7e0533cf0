//! Changes through a cache: the store makes them, and the cache forgets the key.

use std::ops::Range;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use jiff::Timestamp;

use super::core::Core;
use super::store::CachedStore;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::audit_page::{AuditPage, AuditPageRequest};
use crate::store::error::StoreError;
use crate::store::feed::{ChangeFeed, FeedListener};
use crate::store::key_store::KeyStore;
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::{UsageBatch, UsageBucket};

/// Forgets keys when it is dropped: when a change has been made, has failed, or is waited for no
/// more. In each case the store may hold another record.
///
/// It is late enough: what a look-up finds that began before this is not remembered after it.
struct ForgetAfter<'a> {
    core: &'a Core,
    ids: Vec<KeyId>,
    added: bool,
}

impl Drop for ForgetAfter<'_> {
    fn drop(&mut self) {
        self.core.forget(&self.ids, self.added);
    }
}

impl<S> CachedStore<S> {
    fn forget_after(&self, ids: Vec<KeyId>, added: bool) -> ForgetAfter<'_> {
        let core = self.core();
        ForgetAfter { core, ids, added }
    }
}

/// Every call goes to the store; after a change, this cache does not answer with the record from
/// before it, whether the call succeeded, failed or was dropped. Uses of keys make it forget
/// nothing, so the `last_used_at` of a record that it answers with may be out of date.
#[async_trait]
impl<S: KeyRegistry> KeyRegistry for CachedStore<S> {
    async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let _forget = self.forget_after(vec![record.id()], true);
        self.inner().insert(record, context).await
    }

    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let ids = records.iter().map(KeyRecord::id).collect();
        let _forget = self.forget_after(ids, true);
        self.inner().insert_many(records, context).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner().get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.inner().list(owner, page).await
    }

    async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let added = matches!(change, KeyChange::Rotate { .. });
        let _forget = self.forget_after(vec![*id], added);
        self.inner().apply(id, change, context).await
    }

    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.inner().audit(owner, page).await
    }

    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.inner().forget_audit_before(at).await
    }

    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.inner().record_usage(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.inner().usage(id, hours).await
    }

    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        self.inner().scope_uses(id).await
    }

    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.inner().forget_usage_before(hour).await
    }
}

/// Passes on what the store tells, once this cache has taken note of it. One that does not
/// [watch](CachedStore::watching) its store has nothing to tell, and says that its feed is lost.
impl<S: KeyStore + ChangeFeed> ChangeFeed for CachedStore<S> {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.core().downstream.add(listener);
    }
}
