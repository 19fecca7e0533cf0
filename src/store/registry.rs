//! The write side of a store.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::audit_page::{AuditPage, AuditPageRequest};
use super::error::StoreError;
use super::key_store::KeyStore;
use super::page::{KeyPage, PageRequest};
use super::scope_use::ScopeUse;
use super::usage::{UsageBatch, UsageBucket};
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;

/// Keeps keys, the audit trail of their changes, and counts of their uses: what issuing and
/// changing keys needs of a store.
///
/// # For implementers
///
/// Every call is atomic, and no call writes a whole record back: two changes at the same time both
/// take effect, and a late [`record_usage`](Self::record_usage) can neither undo a revocation nor
/// revive a deleted key. When a call has returned, [`find`](KeyStore::find) answers accordingly;
/// only the `last_used_at` that it finds may be older, as in a cache. Times are compared to the
/// microsecond, what is left over being cut off.
///
/// **Changes.** [`Transition::of`](super::transition::Transition::of) says what a change makes of a
/// key; the store writes that, or nothing when it is
/// [empty](super::transition::Transition::is_empty). What it keeps of a record's revision is
/// [`changes`](KeyRecord::changes). Where an insert or a change fails for several reasons, any of
/// them may be told, but that of `Transition::of` is the first it finds.
///
/// **Audit trail.** Every key that is added, and every change that is not empty, writes one entry in
/// the same step as the key: [`AuditEntry::of_insert`](crate::record::AuditEntry::of_insert), or
/// that of the transition. What is refused writes none. Numbers start where the store likes, stay
/// below 2^53 and may have gaps; a change that begins when another has returned has a higher one, and
/// so has a later change of the same key. Its detail is a text, which
/// is given back octet by octet. Entries stay when the key is deleted.
///
/// **Idempotency keys.** An insert whose context has one looks first whether an earlier insert had
/// the same: if so, and its key exists still, nothing is added, and that key is the answer, as it is
/// now. An insert that fails takes none. A store forgets one when its key is deleted, and when
/// [`forget_audit_before`](Self::forget_audit_before) reaches the time of its insert.
///
/// **Usage.** A store keeps sums for each secret version and hour, and the highest number of each
/// writer. A batch of an equal or lower number is left out, all of it. Within a batch, a use of a key
/// or version that does not exist is left out, and one without counts adds to no sum; the number
/// counts all the same. A batch without uses may be ignored. Sums of a version stay when a rotation
/// drops it, and go when the key is deleted.
///
/// **Scopes.** Of a key and each scope that its uses [exercised](super::usage::KeyUse::exercised), a
/// store keeps the first and the last hour, with or without counts. They go when a change gives the
/// key other scopes, so that each of those is judged by the time for which the key has it; and when
/// the key is deleted. Nothing else makes a store forget them.
///
/// The feature `test-util` has a suite that holds a store to all of this: `testing::contract`.
#[async_trait]
pub trait KeyRegistry: KeyStore {
    /// Adds a key, and returns it; or the key that an earlier insert with the context's idempotency
    /// key has added, which has another id.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is added, when
    /// - a key with this id exists, or one with the digest of one of its secret versions
    ///   ([`AlreadyExists`](super::error::StoreErrorKind::AlreadyExists));
    /// - the owner has as many keys as the context allows
    ///   ([`Refused`](super::error::StoreErrorKind::Refused) with
    ///   [`TooManyKeys`](crate::record::ChangeRefused::TooManyKeys));
    /// - the store fails.
    async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError>;

    /// Adds many keys, such as those of an import. Each is added or refused by itself, as by
    /// [`insert`](Self::insert), but the context's limit of keys and its idempotency key, which are
    /// for one key, do not count; the answers come in the order of the records.
    ///
    /// The default inserts one after the other.
    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let context = context.for_many();
        let mut answers = Vec::with_capacity(records.len());
        for record in records {
            answers.push(self.insert(record, &context).await);
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
    /// - it has another revision than the context expects
    ///   ([`RevisionMismatch`](super::error::StoreErrorKind::RevisionMismatch));
    /// - its state does not allow the change
    ///   ([`Refused`](super::error::StoreErrorKind::Refused));
    /// - the digest of a rotation exists
    ///   ([`AlreadyExists`](super::error::StoreErrorKind::AlreadyExists));
    /// - the store fails.
    async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError>;

    /// One page of the audit trail of an owner's keys, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError>;

    /// Forgets the entries of the audit trail that are older than that, of every owner, and the
    /// idempotency keys of inserts that are; returns how many entries it forgot.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError>;

    /// Counts uses of keys, and notes the last, and which scopes they exercised. `last_used_at` only
    /// moves forwards.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is counted, when the store fails. The same batch may be sent
    /// again, also when its answer was lost: it is counted once.
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError>;

    /// How often a key was used in the hours that start within a range, which ends before its end;
    /// ordered by hour, and then by secret version. Nothing is told of hours without use, nor of an
    /// unknown key.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError>;

    /// When the key exercised which scopes, since it has those that it holds; ordered by scope. Nothing
    /// is told of an unknown key.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError>;

    /// Forgets the sums of hours that start before that time, of every key, and writers whose
    /// [latest use](UsageBatch::last_used_at) was before; returns how many sums it forgot. Last uses
    /// and exercised scopes stay.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError>;
}

/// A pointer to a registry is one.
macro_rules! by_pointer {
    ($pointer:ident) => {
        #[async_trait]
        impl<S: KeyRegistry + ?Sized> KeyRegistry for $pointer<S> {
            async fn insert(
                &self,
                record: KeyRecord,
                context: &ChangeContext,
            ) -> Result<Arc<KeyRecord>, StoreError> {
                (**self).insert(record, context).await
            }

            async fn insert_many(
                &self,
                records: Vec<KeyRecord>,
                context: &ChangeContext,
            ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
                (**self).insert_many(records, context).await
            }

            async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
                (**self).get(id).await
            }

            async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
                (**self).list(owner, page).await
            }

            async fn apply(
                &self,
                id: &KeyId,
                change: &KeyChange,
                context: &ChangeContext,
            ) -> Result<Arc<KeyRecord>, StoreError> {
                (**self).apply(id, change, context).await
            }

            async fn audit(
                &self,
                owner: &str,
                page: &AuditPageRequest,
            ) -> Result<AuditPage, StoreError> {
                (**self).audit(owner, page).await
            }

            async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
                (**self).forget_audit_before(at).await
            }

            async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
                (**self).record_usage(batch).await
            }

            async fn usage(
                &self,
                id: &KeyId,
                hours: Range<Timestamp>,
            ) -> Result<Vec<UsageBucket>, StoreError> {
                (**self).usage(id, hours).await
            }

            async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
                (**self).scope_uses(id).await
            }

            async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
                (**self).forget_usage_before(hour).await
            }
        }
    };
}

by_pointer!(Arc);
by_pointer!(Box);
