//! Who sent a request.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::key::token::KeyPrefix;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;

/// Proof that a key was presented and verified.
///
/// Only a [`Verifier`](crate::verify::Verifier) makes one, so code that is handed an `Identity`
/// needs no check of its own. It shows the key as it was when it was verified, and is cheap to
/// clone. The layer puts it into the request's extensions.
#[derive(Clone)]
pub struct Identity {
    record: Arc<KeyRecord>,
    /// Which of the record's secret versions was presented; always within bounds.
    version: usize,
}

impl Identity {
    /// The identity of whoever presented that version of that key.
    ///
    /// `version` is an index of `record.secret_versions()`.
    pub(crate) fn new(record: Arc<KeyRecord>, version: usize) -> Self {
        debug_assert!(version < record.secret_versions().len());
        Self { record, version }
    }

    /// The key's stable public name.
    pub fn key_id(&self) -> KeyId {
        self.record.id()
    }

    /// The account that the key belongs to.
    pub fn owner(&self) -> &str {
        self.record.owner()
    }

    /// What the owner calls the key.
    pub fn name(&self) -> &str {
        self.record.name()
    }

    /// What the key may do.
    pub fn scopes(&self) -> &ScopeSet {
        self.record.scopes()
    }

    /// Whether the key holds this scope.
    pub fn has_scope(&self, scope: &Scope) -> bool {
        self.scopes().contains(scope)
    }

    /// When the key expires, if ever.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.record.expires_at()
    }

    /// The part of the presented key that may be shown.
    pub fn key_prefix(&self) -> KeyPrefix {
        self.record.secret_versions()[self.version].prefix()
    }

    /// The number of the secret version that was presented, from 1.
    pub fn secret_version(&self) -> u32 {
        self.record.secret_versions()[self.version].number()
    }

    /// From when on the presented secret is refused, where a rotation has superseded it.
    pub fn secret_retires_at(&self) -> Option<Timestamp> {
        self.record.secret_versions()[self.version].retires_at()
    }

    /// When a rotation superseded the presented secret, if one has.
    pub fn secret_superseded_at(&self) -> Option<Timestamp> {
        self.secret_retires_at()?;
        // Newest first: the one before it in the list superseded it.
        let newer = self.version.checked_sub(1)?;
        Some(self.record.secret_versions()[newer].created_at())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("key_id", &self.key_id())
            .field("owner", &self.owner())
            .field("scopes", self.scopes())
            .finish_non_exhaustive()
    }
}
