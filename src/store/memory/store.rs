//! A store in memory.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use async_trait::async_trait;
use jiff::Timestamp;

use super::audit::Trail;
use super::digests::Digests;
use super::index::Index;
use super::usage::Counters;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::feed::{ChangeFeed, FeedEvent, FeedListener, Listeners};
use crate::store::contract::key_store::KeyStore;
use crate::store::contract::page::{KeyPage, PageRequest};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::usage::{UsageBatch, UsageBucket, UsageStore};
use crate::store::contract::write::{ActingKey, Commit, Insert, Inserted};

/// Keeps keys in memory, for tests and for servers whose keys need not outlive the process.
///
/// Lookups never wait, for each other or for a change. Changes wait only for each other. Clones share
/// one store. It holds as many keys as were inserted and not deleted; one with a name of 20 bytes and
/// no scopes but the common three takes about 300 bytes. Of the rest it holds the newest: 10,000
/// entries of the audit trail, 10,000 idempotency keys, 2,400 usage buckets a key, and the sequence
/// numbers of 10,000 writers of usage. Use a database to keep more.
///
/// Each thread copies the records that it looks up most, at most 4,096 for all its memory stores and
/// caches together. The copy of a key that was changed or deleted is never used again, but it stays
/// in memory until another record takes its place or the thread ends. A record holds digests, and no
/// plaintext.
///
/// ```
/// use tower_api_key::{KeyManager, MemoryStore, NewKey, Scope};
///
/// # futures::executor::block_on(async {
/// let keys = KeyManager::new(MemoryStore::new());
/// let fresh = keys.issue(NewKey::new("acct_42", "CI").with_scopes([Scope::READ])).await?;
/// assert_eq!(keys.get(&fresh.record.id()).await?.unwrap().owner(), "acct_42");
/// # Ok::<(), tower_api_key::manage::ManageError>(()) }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Shared>);

struct Shared {
    /// What look-ups read.
    by_digest: Digests,
    /// What changes go by; whoever holds the lock may write to `by_digest`.
    state: Mutex<State>,
    listeners: Listeners,
}

#[derive(Default)]
struct State {
    index: Index,
    audit: Trail,
    usage: Counters,
}

impl State {
    fn check_acting(&self, acting: Option<ActingKey>) -> Result<(), StoreError> {
        let is_unchanged = acting.is_none_or(|acting| {
            let key = self.index.get(&acting.id);
            key.is_some_and(|key| key.revision() == acting.revision)
        });
        is_unchanged.then_some(()).ok_or_else(StoreError::conflict)
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            by_digest: Digests::default(),
            state: Mutex::default(),
            listeners: Listeners::new(FeedEvent::InStep),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store with these keys, such as ones made from a configuration file. Its audit trail is empty.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when two records share an id or a digest; it names neither.
    pub fn from_records(records: impl IntoIterator<Item = KeyRecord>) -> Result<Self, StoreError> {
        let store = Self::new();
        {
            let mut state = store.state()?;
            for record in records {
                store.add(&mut state, &Arc::new(record))?;
            }
        }
        Ok(store)
    }

    /// How many keys the store holds.
    pub fn len(&self) -> usize {
        // A count is right even after a panic elsewhere.
        self.0
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .index
            .len()
    }

    /// Whether the store holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        self.0.state.lock().map_err(|_| {
            StoreError::new(
                StoreErrorKind::Unavailable,
                "a panic interrupted an earlier change of the memory store",
            )
        })
    }

    fn add(&self, state: &mut State, record: &Arc<KeyRecord>) -> Result<(), StoreError> {
        if state.index.get(&record.id()).is_some() {
            return Err(StoreError::already_exists("id"));
        }
        self.reject_known(record.secret_versions().iter().map(SecretVersion::digest))?;
        state.index.put(record);
        self.publish(record);
        self.0.listeners.tell(FeedEvent::Added(record.id()));
        Ok(())
    }

    fn change(&self, commit: Commit) -> Result<(), StoreError> {
        let mut state = self.state()?;
        let before = state.index.get(&commit.id).cloned();
        let before = before.ok_or_else(StoreError::not_found)?;
        if before.revision() != commit.expected_revision {
            return Err(StoreError::conflict());
        }
        state.check_acting(commit.acting)?;
        let event = commit.event();
        let Some(next) = commit.next else {
            state.audit.write(commit.audit);
            state.audit.forget(&commit.id);
            state.usage.forget(&commit.id);
            state.index.remove(&before);
            self.withdraw(&before, None);
            self.0.listeners.tell(event);
            return Ok(());
        };
        let is_new = |secret: &&SecretVersion| {
            let same = before.secret_version(secret.digest());
            same.is_none_or(|same| same.number() != secret.number())
        };
        let new = next.secret_versions().iter().filter(is_new);
        self.reject_known(new.map(SecretVersion::digest))?;
        state.audit.write(commit.audit);
        let next = Arc::new(Arc::unwrap_or_clone(next).with_last_uses_of(&before));
        state.index.put(&next);
        // New before old: a rotation's new secret works before an old one expires.
        self.publish(&next);
        self.withdraw(&before, Some(&next));
        self.0.listeners.tell(event);
        Ok(())
    }

    fn note(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let mut state = self.state()?;
        if !state.usage.accept(batch) {
            return Ok(());
        }
        for one in batch.uses() {
            let version = one.secret_version();
            let Some(record) = state.index.get(&one.key()) else {
                continue;
            };
            let mut versions = record.secret_versions().iter();
            if versions.any(|known| known.number() == version) {
                let noted = KeyRecord::clone(record).with_use_noted(version, one.last_used_at());
                let noted = Arc::new(noted);
                state.index.put(&noted);
                self.publish(&noted);
                state.usage.add(one);
            }
        }
        Ok(())
    }

    fn reject_known<'a>(
        &self,
        digests: impl IntoIterator<Item = &'a KeyDigest>,
    ) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        for digest in digests {
            if self.0.by_digest.contain(digest) || !seen.insert(digest.as_bytes()) {
                return Err(StoreError::already_exists("digest"));
            }
        }
        Ok(())
    }

    fn publish(&self, record: &Arc<KeyRecord>) {
        for version in record.secret_versions() {
            self.0.by_digest.put(version.digest(), record);
        }
    }

    /// Removes the digests of `before` that `after` has no more.
    fn withdraw(&self, before: &KeyRecord, after: Option<&KeyRecord>) {
        for version in before.secret_versions() {
            if after.is_none_or(|after| after.secret_version(version.digest()).is_none()) {
                self.0.by_digest.remove(version.digest());
            }
        }
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.0.by_digest.record(digest))
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        Some(Ok(self.0.by_digest.record(digest)))
    }
}

#[async_trait]
impl KeyRegistry for MemoryStore {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        let mut state = self.state()?;
        let owner = insert.record.owner();
        let earlier = insert
            .idempotency_key
            .and_then(|key| state.audit.inserted(owner, &key));
        if let Some(earlier) = earlier.and_then(|id| state.index.get(&id)) {
            return Ok(Inserted::Existing(earlier.clone()));
        }
        state.check_acting(insert.acting)?;
        if let Some(max) = insert.max_keys_per_owner
            && state.index.has(max, owner)
        {
            return Err(StoreError::too_many_keys(max));
        }
        self.add(&mut state, &insert.record)?;
        let at = insert.audit.at();
        state.audit.write(insert.audit);
        if let Some(key) = insert.idempotency_key {
            state.audit.remember(key, &insert.record, at);
        }
        Ok(Inserted::Created)
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.state()?.index.get(id).cloned())
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        Ok(self.state()?.index.page(owner, page))
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.change(commit)
    }
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        Ok(self.state()?.audit.page(owner, page))
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        Ok(self.state()?.audit.forget_before(at) as u64)
    }
}

#[async_trait]
impl UsageStore for MemoryStore {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.note(batch)
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        Ok(self.state()?.usage.buckets(id, hours))
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        Ok(self.state()?.usage.forget_before(hour) as u64)
    }
}

impl ChangeFeed for MemoryStore {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.0.listeners.add(listener);
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("keys", &self.len())
            .finish()
    }
}
