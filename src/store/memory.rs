//! A store in memory.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use async_trait::async_trait;
use jiff::Timestamp;

use super::audit_page::{AuditPage, AuditPageRequest};
use super::digests::Digests;
use super::error::{StoreError, StoreErrorKind};
use super::feed::{ChangeFeed, FeedEvent, FeedListener, Listeners};
use super::index::Index;
use super::journal::Journal;
use super::key_store::KeyStore;
use super::ledger::Ledger;
use super::page::{KeyPage, PageRequest};
use super::registry::KeyRegistry;
use super::scope_use::ScopeUse;
use super::transition::Transition;
use super::usage::{UsageBatch, UsageBucket};
use crate::key::digest::KeyDigest;
use crate::record::audit::AuditEntry;
use crate::record::change::{ChangeRefused, KeyChange};
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;

/// Keeps keys in memory, for tests and for servers whose keys need not outlive the process.
///
/// Look-ups never wait, for each other or for a change. Changes wait for each other only. Clones
/// share one store. It holds as many keys as were inserted and not deleted; one with a name of 20
/// octets and no scopes but the common three takes some 290 octets. Of the rest it holds the newest:
/// 10,000 entries of the audit trail, 10,000 idempotency keys, the counts of 2,400 hours of a key
/// and secret version, and the numbers of 10,000 writers of counts. Keep these longer in a database.
/// The exercised scopes of a key stay until its scopes are changed.
///
/// A thread keeps copies of the records that it is asked for most, 4,096 at most for all its stores
/// in memory and caches together. That of a key which was changed or deleted answers no look-up any
/// more, but stays in memory until another record takes its place or the thread ends. A record
/// holds digests, and no plaintext.
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
    journal: Journal,
    ledger: Ledger,
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
                store.add(&mut state, record)?;
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

    fn issue(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let mut state = self.state()?;
        let issued = state.journal.issued(context);
        if let Some(earlier) = issued.and_then(|id| state.index.get(&id)) {
            return Ok(earlier.clone());
        }
        if let Some(max) = context.max_keys_of_owner()
            && state.index.has(max, record.owner())
        {
            return Err(ChangeRefused::TooManyKeys.into());
        }
        let record = self.add(&mut state, record)?;
        state.journal.write(AuditEntry::of_insert(&record, context));
        state.journal.remember(record.id(), context);
        Ok(record)
    }

    fn add(&self, state: &mut State, record: KeyRecord) -> Result<Arc<KeyRecord>, StoreError> {
        if state.index.get(&record.id()).is_some() {
            return Err(already_exists("id"));
        }
        self.refuse_known(record.secret_versions().iter().map(SecretVersion::digest))?;
        let record = Arc::new(record);
        state.index.put(&record);
        self.publish(&record);
        self.0.listeners.tell(FeedEvent::Added(record.id()));
        Ok(record)
    }

    fn change(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let mut state = self.state()?;
        let Some(before) = state.index.get(id).cloned() else {
            return Err(StoreError::new(StoreErrorKind::NotFound, "no such key"));
        };
        if let KeyChange::Rotate { digest, .. } = change {
            self.refuse_known([digest])?;
        }
        let (after, entry) = Transition::of(change, &before, context)?.into_parts();
        let Some(entry) = entry else {
            return Ok(before);
        };
        state.journal.write(entry);
        let Some(after) = after else {
            state.index.remove(&before);
            state.journal.forget(id);
            state.ledger.forget(id);
            self.withdraw(&before, None);
            self.0.listeners.tell(FeedEvent::Changed(*id));
            return Ok(before);
        };
        if after.scopes() != before.scopes() {
            state.ledger.forget_scopes(id);
        }
        let after = Arc::new(after);
        state.index.put(&after);
        // New before old: a rotation's new secret works before an old one ends.
        self.publish(&after);
        self.withdraw(&before, Some(&after));
        self.0.listeners.tell(FeedEvent::of(*id, change));
        Ok(after)
    }

    fn note(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let mut state = self.state()?;
        if !state.ledger.accept(batch) {
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
                state.ledger.add(one);
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
        Ok(self.0.by_digest.record(digest))
    }

    fn find_now(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        Some(Ok(self.0.by_digest.record(digest)))
    }
}

#[async_trait]
impl KeyRegistry for MemoryStore {
    async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        self.issue(record, context)
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.state()?.index.get(id).cloned())
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        Ok(self.state()?.index.page(owner, page))
    }

    async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        self.change(id, change, context)
    }

    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        Ok(self.state()?.journal.page(owner, page))
    }

    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        Ok(self.state()?.journal.forget_before(at) as u64)
    }

    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.note(batch)
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        Ok(self.state()?.ledger.buckets(id, hours))
    }

    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        Ok(self.state()?.ledger.scope_uses(id))
    }

    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        Ok(self.state()?.ledger.forget_before(hour) as u64)
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
