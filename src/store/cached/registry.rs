//! Changes through a cache: the store makes them, and the cache forgets the key.

use std::ops::Range;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use jiff::Timestamp;

use super::core::Core;
use super::store::CachedStore;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use crate::store::contract::error::StoreError;
use crate::store::contract::feed::{ChangeFeed, FeedEvent, FeedListener};
use crate::store::contract::key_store::KeyStore;
use crate::store::contract::page::{KeyPage, PageRequest};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::usage::{UsageBatch, UsageBucket, UsageStore};
use crate::store::contract::write::{Commit, Insert, Inserted};

/// Forgets keys when it is dropped: when a change was made, failed, or is no longer waited for. In
/// each case the store may hold another record.
///
/// It is late enough: what a lookup finds that began before this is not remembered after it.
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

/// Every call goes to the store; after a change, this cache does not return the record from before
/// it, whether the call succeeded, failed or was dropped. Usage makes it forget nothing, so the
/// `last_used_at` of a record that it returns may be out of date.
#[async_trait]
impl<S: KeyRegistry + 'static> KeyRegistry for CachedStore<S> {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        let _forget = self.forget_after(vec![insert.record.id()], true);
        self.inner().insert(insert).await
    }

    async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
        let ids = inserts.iter().map(|insert| insert.record.id()).collect();
        let _forget = self.forget_after(ids, true);
        self.inner().insert_many(inserts).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner().get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.inner().list(owner, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let added = matches!(commit.event(), FeedEvent::Added(_));
        let _forget = self.forget_after(vec![commit.id], added);
        self.inner().commit(commit).await
    }
}

#[async_trait]
impl<S: AuditLog> AuditLog for CachedStore<S> {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.inner().audit(owner, page).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.inner().prune_audit_before(at).await
    }
}

#[async_trait]
impl<S: UsageStore> UsageStore for CachedStore<S> {
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

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.inner().prune_usage_before(hour).await
    }
}

/// Passes on what the store tells, once this cache has taken note of it. One that does not
/// [watch](CachedStore::watching) its store has nothing to tell, and says that its feed is lost.
impl<S: KeyStore + ChangeFeed + 'static> ChangeFeed for CachedStore<S> {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.core().downstream.add(listener);
    }
}
