//! What a store tells of keys.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::ManageError;
use super::manager::KeyManager;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::audit_page::{AuditPage, AuditPageRequest};
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::UsageBucket;

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

    /// One page of an owner's keys, in the order of their ids: oldest first, to the millisecond.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, ManageError> {
        Ok(self.store.list(owner, page).await?)
    }

    /// One page of the audit trail of an owner's keys, newest first: who did what, when and why.
    ///
    /// Entries stay until you call
    /// [`forget_audit_before`](KeyRegistry::forget_audit_before) on the store; nothing calls it for you.
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

    /// When a key exercised which of its scopes, since it has those that it holds; of an unknown key,
    /// nothing.
    ///
    /// Compare the key's owner with the caller's before you show it.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, ManageError> {
        Ok(self.store.scope_uses(id).await?)
    }
}
