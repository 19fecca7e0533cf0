//! The write side of a store.

use std::sync::Arc;

use async_trait::async_trait;

use super::error::StoreError;
use super::key_store::KeyStore;
use super::page::{KeyPage, PageRequest};
use super::usage::KeyUse;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;

/// Keeps keys: what issuing and changing them needs of a store.
///
/// # For implementers
///
/// Every call is atomic, and no call writes a whole record back: two changes at the same time both
/// take effect, and a late [`record_usage`](Self::record_usage) can neither undo a revocation nor
/// revive a deleted key. When a call has returned, [`find`](KeyStore::find) answers accordingly;
/// only the `last_used_at` that it finds may be older, as in a cache.
///
/// The feature `test-util` has a suite that holds a store to all of this: `testing::contract`.
#[async_trait]
pub trait KeyRegistry: KeyStore {
    /// Adds a key.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is added, when
    /// - a key with this id exists, or one with the digest of one of its secret versions
    ///   ([`AlreadyExists`](super::error::StoreErrorKind::AlreadyExists));
    /// - the store fails.
    async fn insert(&self, record: KeyRecord) -> Result<Arc<KeyRecord>, StoreError>;

    /// Adds many keys, such as those of an import. Each is added or refused by itself, as by
    /// [`insert`](Self::insert); the answers come in the order of the records.
    ///
    /// The default inserts one after the other.
    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let mut answers = Vec::with_capacity(records.len());
        for record in records {
            answers.push(self.insert(record).await);
        }
        answers
    }

    /// The key of that id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError>;

    /// One page of an owner's keys, ordered by id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError>;

    /// Changes a key, as [`KeyChange::applied_to`] says, and returns the record after the change;
    /// of a deleted key, the record before it.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is changed, when
    /// - the key does not exist ([`NotFound`](super::error::StoreErrorKind::NotFound));
    /// - its state does not allow the change
    ///   ([`Refused`](super::error::StoreErrorKind::Refused));
    /// - the digest of a rotation exists
    ///   ([`AlreadyExists`](super::error::StoreErrorKind::AlreadyExists));
    /// - the store fails.
    async fn apply(&self, id: &KeyId, change: &KeyChange) -> Result<Arc<KeyRecord>, StoreError>;

    /// Notes uses of keys. `last_used_at` only moves forwards; a use of a key or version that does
    /// not exist any more is left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails. The same batch may be sent again.
    async fn record_usage(&self, uses: &[KeyUse]) -> Result<(), StoreError>;
}

#[async_trait]
impl<S: KeyRegistry + ?Sized> KeyRegistry for Arc<S> {
    async fn insert(&self, record: KeyRecord) -> Result<Arc<KeyRecord>, StoreError> {
        (**self).insert(record).await
    }

    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        (**self).insert_many(records).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        (**self).get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        (**self).list(owner, page).await
    }

    async fn apply(&self, id: &KeyId, change: &KeyChange) -> Result<Arc<KeyRecord>, StoreError> {
        (**self).apply(id, change).await
    }

    async fn record_usage(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        (**self).record_usage(uses).await
    }
}

#[async_trait]
impl<S: KeyRegistry + ?Sized> KeyRegistry for Box<S> {
    async fn insert(&self, record: KeyRecord) -> Result<Arc<KeyRecord>, StoreError> {
        (**self).insert(record).await
    }

    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        (**self).insert_many(records).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        (**self).get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        (**self).list(owner, page).await
    }

    async fn apply(&self, id: &KeyId, change: &KeyChange) -> Result<Arc<KeyRecord>, StoreError> {
        (**self).apply(id, change).await
    }

    async fn record_usage(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        (**self).record_usage(uses).await
    }
}
