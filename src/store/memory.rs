//! A store in memory.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use async_trait::async_trait;

use super::digests::Digests;
use super::error::{StoreError, StoreErrorKind};
use super::feed::{ChangeFeed, FeedEvent, FeedListener, Listeners};
use super::index::Index;
use super::key_store::KeyStore;
use super::page::{KeyPage, PageRequest};
use super::registry::KeyRegistry;
use super::replica;
use super::usage::KeyUse;
use crate::key::digest::KeyDigest;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;

/// Keeps keys in memory, for tests and for servers whose keys need not outlive the process.
///
/// Look-ups never wait, for each other or for a change. Changes wait for each other only. Clones
/// share one store. It holds as many keys as were inserted and not deleted; one with a name of 20
/// octets and no scopes but the common three takes some 290 octets.
///
/// A thread keeps copies of the records that it is asked for most. That of a key which was changed
/// or deleted answers no look-up any more, but stays in memory until another record takes its
/// place or the thread ends. A record holds digests, and no plaintext.
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
    index: Mutex<Index>,
    listeners: Listeners,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            by_digest: Digests::default(),
            index: Mutex::default(),
            listeners: Listeners::new(FeedEvent::InStep),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store with these keys, such as ones made from a configuration file.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when two records share an id or a digest; it names neither.
    pub fn from_records(records: impl IntoIterator<Item = KeyRecord>) -> Result<Self, StoreError> {
        let store = Self::new();
        for record in records {
            store.add(record)?;
        }
        Ok(store)
    }

    /// How many keys the store holds.
    pub fn len(&self) -> usize {
        // A count is right even after a panic elsewhere.
        self.0
            .index
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .len()
    }

    /// Whether the store holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn index(&self) -> Result<MutexGuard<'_, Index>, StoreError> {
        self.0.index.lock().map_err(|_| {
            StoreError::new(
                StoreErrorKind::Unavailable,
                "a panic interrupted an earlier change of the memory store",
            )
        })
    }

    fn add(&self, record: KeyRecord) -> Result<Arc<KeyRecord>, StoreError> {
        let mut index = self.index()?;
        if index.get(&record.id()).is_some() {
            return Err(already_exists("id"));
        }
        self.refuse_known(record.secret_versions().iter().map(SecretVersion::digest))?;
        let record = Arc::new(record);
        index.put(&record);
        self.publish(&record);
        self.0.listeners.tell(FeedEvent::Added(record.id()));
        Ok(record)
    }

    fn change(&self, id: &KeyId, change: &KeyChange) -> Result<Arc<KeyRecord>, StoreError> {
        let mut index = self.index()?;
        let Some(before) = index.get(id).cloned() else {
            return Err(StoreError::new(StoreErrorKind::NotFound, "no such key"));
        };
        if let KeyChange::Rotate { digest, .. } = change {
            self.refuse_known([digest])?;
        }
        let Some(after) = change.applied_to(&before)? else {
            index.remove(&before);
            self.withdraw(&before, None);
            self.0.listeners.tell(FeedEvent::Changed(*id));
            return Ok(before);
        };
        let after = Arc::new(after);
        index.put(&after);
        // New before old: a rotation's new secret works before an old one ends.
        self.publish(&after);
        self.withdraw(&before, Some(&after));
        self.0.listeners.tell(FeedEvent::of(*id, change));
        Ok(after)
    }

    fn note(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        let mut index = self.index()?;
        for one in uses {
            if let Some(record) = index.get(&one.key()) {
                let noted = KeyRecord::clone(record)
                    .with_use_noted(one.secret_version(), one.last_used_at());
                let noted = Arc::new(noted);
                index.put(&noted);
                self.publish(&noted);
            }
        }
        Ok(())
    }

    fn refuse_known<'a>(
        &self,
        digests: impl IntoIterator<Item = &'a KeyDigest>,
    ) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        for digest in digests {
            if self.0.by_digest.contain(digest) || !seen.insert(digest.as_bytes()) {
                return Err(already_exists("digest"));
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

fn already_exists(what: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::AlreadyExists,
        format!("expected a new key, found its {what} in the store"),
    )
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.0.by_digest.find(digest, replica::of))
    }

    fn find_now(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        Some(Ok(self.0.by_digest.find(digest, replica::of)))
    }
}

#[async_trait]
impl KeyRegistry for MemoryStore {
    async fn insert(&self, record: KeyRecord) -> Result<Arc<KeyRecord>, StoreError> {
        self.add(record)
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.index()?.get(id).cloned())
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        Ok(self.index()?.page(owner, page))
    }

    async fn apply(&self, id: &KeyId, change: &KeyChange) -> Result<Arc<KeyRecord>, StoreError> {
        self.change(id, change)
    }

    async fn record_usage(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        self.note(uses)
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
