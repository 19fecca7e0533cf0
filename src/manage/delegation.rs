//! What a key may do to other keys.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::{ManageError, ManageErrorKind};
use crate::identity::Identity;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::recipient::Recipient;
use crate::record::secret::SecretVersion;
use crate::record::status::KeyStatus;
use crate::scope::set::ScopeSet;
use crate::store::contract::write::ActingKey;

/// The key, and its secret, on whose behalf keys are issued and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delegate {
    pub(super) id: KeyId,
    secret_version: u32,
}

impl Delegate {
    pub(super) fn new(identity: &Identity) -> Self {
        Self::of(identity.key_id(), identity.secret_version())
    }

    pub(super) fn of(id: KeyId, secret_version: u32) -> Self {
        Self { id, secret_version }
    }
}

/// The acting key as it is now: what it may reach, and what it may give.
#[derive(Debug)]
pub(super) struct Delegation {
    record: Arc<KeyRecord>,
    expires_at: Option<Timestamp>,
}

impl Delegation {
    /// What a key may do at that time, which was read after the key.
    pub(super) fn of(
        record: Option<Arc<KeyRecord>>,
        delegate: &Delegate,
        now: Timestamp,
    ) -> Result<Self, ManageError> {
        let record = record.ok_or_else(|| exceeds("the acting key was deleted"))?;
        let secret = record
            .secret_versions()
            .iter()
            .find(|version| version.number() == delegate.secret_version)
            .ok_or_else(|| exceeds("the acting key's secret was removed"))?;
        // A previous secret must not outlive its grace period in a key that it issues.
        let expires_at = [record.expires_at(), secret.retires_at()];
        let expires_at = expires_at.into_iter().flatten().min();
        if record.status(now) != KeyStatus::Active || expires_at.is_some_and(|at| now >= at) {
            return Err(exceeds("the acting key is no longer valid"));
        }
        Ok(Self { record, expires_at })
    }

    /// The expiration of a key that is issued without one.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The condition of a commit: the acting key is unchanged.
    pub(super) fn acting_key(&self) -> ActingKey {
        ActingKey {
            id: self.record.id(),
            revision: self.record.revision(),
        }
    }

    /// Who receives the plaintext of a new secret.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient::new(self.record.scopes().clone(), self.expires_at)
    }

    /// Checks that a key of that owner may be given these scopes and that expiration.
    pub(super) fn check(
        &self,
        owner: &str,
        scopes: &ScopeSet,
        expires_at: Option<Timestamp>,
    ) -> Result<(), ManageError> {
        if owner != self.record.owner() {
            return Err(exceeds("the owner differs from the acting key's owner"));
        }
        if !self.record.scopes().contains_all(scopes) {
            let message = "you cannot grant a scope that your own key lacks";
            return Err(exceeds(message).about("scopes"));
        }
        if is_later(expires_at, self.expires_at) {
            let message = "you cannot set an expiration later than that of your own key";
            return Err(exceeds(message).about("expires_at"));
        }
        Ok(())
    }

    /// Checks that the acting key may change that key at all. A key of another owner is not found.
    pub(super) fn check_reach(&self, record: &KeyRecord) -> Result<(), ManageError> {
        if record.owner() != self.record.owner() {
            return Err(ManageError::not_found());
        }
        if !self.record.scopes().contains_all(record.scopes()) {
            return Err(exceeds(
                "you cannot change a key that has a scope your own key lacks",
            ));
        }
        if is_later(record.expires_at(), self.record.expires_at()) {
            return Err(exceeds(
                "you cannot change a key that expires later than your own key",
            ));
        }
        Ok(())
    }

    /// Checks what a change gives. What makes a key stronger in any way (a scope, a later expiration,
    /// a new secret, being enabled) must leave it within the bounds as a whole.
    pub(super) fn check_change(
        &self,
        before: &KeyRecord,
        after: &KeyRecord,
    ) -> Result<(), ManageError> {
        if !is_stronger(before, after) {
            return Ok(());
        }
        self.check(after.owner(), after.scopes(), after.expires_at())
    }
}

fn is_stronger(before: &KeyRecord, after: &KeyRecord) -> bool {
    let newest = |record: &KeyRecord| record.secret_versions().first().map(SecretVersion::number);
    is_later(after.expires_at(), before.expires_at())
        || !before.scopes().contains_all(after.scopes())
        || (before.is_disabled() && !after.is_disabled())
        || newest(after) != newest(before)
}

/// Whether a key with the one expiration is valid longer than one with the other.
fn is_later(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    other.is_some_and(|other| one.is_none_or(|one| one > other))
}

fn exceeds(message: &'static str) -> ManageError {
    ManageError::new(ManageErrorKind::Exceeds, message)
}
