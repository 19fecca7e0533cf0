//! What a store tells of keys.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::ManageError;
use super::manager::KeyManager;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use crate::store::contract::page::{KeyPage, PageRequest};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::usage::{UsageBucket, UsageStore};

impl<S: KeyRegistry> KeyManager<S> {
    /// The key of that id.
    ///
    /// Compare its owner with the caller's before you show it.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, ManageError> {
        Ok(self.store.get(id).await?)
    }

    /// Returns one page of an owner's keys, newest first.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, ManageError> {
        Ok(self.store.list(owner, page).await?)
    }
}

impl<S: AuditLog> KeyManager<S> {
    /// One page of the audit trail of an owner's keys, newest first: who did what, when and why.
    ///
    /// Entries stay until you call
    /// [`prune_audit_before`](AuditLog::prune_audit_before) on the store; nothing calls it for you.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn audit(
        &self,
        owner: &str,
        page: &AuditPageRequest,
    ) -> Result<AuditPage, ManageError> {
        Ok(self.store.audit(owner, page).await?)
    }
}

impl<S: UsageStore> KeyManager<S> {
    /// How often a key was used in the hours that start within a range; of an unknown key, nothing.
    ///
    /// Compare the key's owner with the caller's before you show it.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, ManageError> {
        Ok(self.store.usage(id, hours).await?)
    }
}
