//! The write side of a store.

use std::sync::Arc;

use async_trait::async_trait;

use super::error::StoreError;
use super::key_store::KeyStore;
use super::page::{KeyPage, PageRequest};
use super::write::{Commit, Insert, Inserted};
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;

/// Adds, lists and changes keys.
///
/// A store decides nothing: [`KeyManager`](crate::KeyManager) computes what a change makes of a key,
/// and the store writes that if nobody has changed the key in between.
///
/// # For implementers
///
/// - Every call is atomic: it writes the key and its entry of the audit trail, or nothing.
/// - After a call has returned, [`find`](KeyStore::find) returns the new state.
/// - Keep a record as one document, [`KeyRecord::to_document`], beside what you search by: id, owner,
///   digests, and the revision.
/// - What usage writes, [`UsageStore`](super::usage::UsageStore), stays apart: a commit keeps the
///   `last_used_at` of every secret that stays, and a late usage write cannot undo a commit.
/// - If several conditions fail, return the error of any of them.
///
/// The feature `test-util` has a suite that checks all of this: `testing::contract`.
#[async_trait]
pub trait KeyRegistry: KeyStore {
    /// Adds a key.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is added, when
    /// - a key with this id exists, or one with the digest of one of its secrets
    ///   ([`AlreadyExists`](super::error::StoreErrorKind::AlreadyExists));
    /// - the acting key does not exist or has another revision
    ///   ([`Conflict`](super::error::StoreErrorKind::Conflict));
    /// - the owner has as many keys as allowed
    ///   ([`TooManyKeys`](super::error::StoreErrorKind::TooManyKeys));
    /// - the store fails.
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError>;

    /// Adds many keys, such as those of an import. Each is added or rejected by itself, as by
    /// [`insert`](Self::insert); the answers come in the order of the inserts.
    ///
    /// The default inserts one after the other.
    async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
        let mut answers = Vec::with_capacity(inserts.len());
        for insert in inserts {
            answers.push(self.insert(insert).await);
        }
        answers
    }

    /// Returns the key of that id, with the last use of each secret.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError>;

    /// Returns one page of an owner's keys, newest first: in descending order of their ids.
    ///
    /// Read [`PageRequest::examined`] records after the cursor, and make the page with
    /// [`KeyPage::new`], which filters them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError>;

    /// Changes or deletes a key.
    ///
    /// A deletion also removes the key's usage and idempotency key; its audit trail stays. A secret
    /// that the next record no longer has is removed, with its digest, but its usage stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is changed, when
    /// - the key does not exist ([`NotFound`](super::error::StoreErrorKind::NotFound));
    /// - the key, or the acting key, has another revision, or the acting key does not exist
    ///   ([`Conflict`](super::error::StoreErrorKind::Conflict));
    /// - a secret that is new has the digest of a stored one
    ///   ([`AlreadyExists`](super::error::StoreErrorKind::AlreadyExists));
    /// - the store fails.
    async fn commit(&self, commit: Commit) -> Result<(), StoreError>;
}

/// A pointer to a registry is one.
macro_rules! by_pointer {
    ($pointer:ident) => {
        #[async_trait]
        impl<S: KeyRegistry + ?Sized> KeyRegistry for $pointer<S> {
            async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
                (**self).insert(insert).await
            }

            async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
                (**self).insert_many(inserts).await
            }

            async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
                (**self).get(id).await
            }

            async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
                (**self).list(owner, page).await
            }

            async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
                (**self).commit(commit).await
            }
        }
    };
}

by_pointer!(Arc);
by_pointer!(Box);
