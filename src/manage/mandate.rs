//! What a key that makes or changes keys may give them.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::{ManageError, ManageErrorKind};
use crate::identity::Identity;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::status::KeyStatus;
use crate::scope::set::ScopeSet;
use crate::store::registry::KeyRegistry;

/// The key, and the secret of it, in whose name keys are made and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maker {
    id: KeyId,
    secret_version: u32,
}

impl Maker {
    pub(super) fn new(identity: &Identity) -> Self {
        Self::of(identity.key_id(), identity.secret_version())
    }

    pub(super) fn of(id: KeyId, secret_version: u32) -> Self {
        Self { id, secret_version }
    }

    /// What the key may give now, by the store: one that was revoked or narrowed since its request
    /// began gives less, or nothing.
    pub(super) async fn mandate<S: KeyRegistry>(
        &self,
        store: &S,
        now: Timestamp,
    ) -> Result<Mandate, ManageError> {
        let record = store.get(&self.id).await?;
        let record = record.ok_or_else(|| exceeds("the key that makes a key was deleted"))?;
        let secret = record
            .secret_versions()
            .iter()
            .find(|version| version.number() == self.secret_version)
            .ok_or_else(|| exceeds("the secret that makes a key was superseded"))?;
        // A superseded secret must not outlive its overlap in a key that it makes.
        let ends = [record.expires_at(), secret.retires_at()];
        let end = ends.into_iter().flatten().min();
        if record.status(now) != KeyStatus::Active || end.is_some_and(|end| now >= end) {
            return Err(exceeds("the key that makes a key does not work any more"));
        }
        Ok(Mandate { record, end })
    }
}

/// The bounds of what a key may give others: its owner, its scopes and its end.
#[derive(Debug)]
pub(super) struct Mandate {
    record: Arc<KeyRecord>,
    end: Option<Timestamp>,
}

impl Mandate {
    /// The end of a key that is made without one.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Whether a key of that owner may be given these scopes and that end.
    pub(super) fn check(
        &self,
        owner: &str,
        scopes: &ScopeSet,
        end: Option<Timestamp>,
    ) -> Result<(), ManageError> {
        if owner != self.record.owner() {
            return Err(exceeds("expected the owner of the key that makes a key"));
        }
        if !self.record.scopes().contains_all(scopes) {
            return Err(
                exceeds("expected no scope that the key that makes a key lacks").about("scopes"),
            );
        }
        let exceeds_end = self
            .end
            .is_some_and(|latest| end.is_none_or(|end| end > latest));
        if exceeds_end {
            return Err(
                exceeds("expected an end no later than that of the key that makes a key")
                    .about("expires_at"),
            );
        }
        Ok(())
    }

    /// Whether a key may be changed so. What makes it stronger in any way (a scope, a later end, a
    /// new secret, being enabled) must leave it within the bounds as a whole; to make it weaker is
    /// always right.
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

    /// A key of another owner is as if it did not exist.
    pub(super) fn check_owner(&self, record: &KeyRecord) -> Result<(), ManageError> {
        if record.owner() == self.record.owner() {
            Ok(())
        } else {
            Err(ManageError::not_found())
        }
    }
}

fn is_stronger(before: &KeyRecord, after: &KeyRecord) -> bool {
    let is_later = match (before.expires_at(), after.expires_at()) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after > before,
    };
    let newest = |record: &KeyRecord| record.secret_versions().first().map(SecretVersion::number);
    is_later
        || !before.scopes().contains_all(after.scopes())
        || (before.is_disabled() && !after.is_disabled())
        || newest(after) != newest(before)
}

fn exceeds(message: &'static str) -> ManageError {
    ManageError::new(ManageErrorKind::Exceeds, message)
}
