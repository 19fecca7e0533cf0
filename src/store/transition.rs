//! What a change makes of a key.

use super::error::{StoreError, StoreErrorKind};
use crate::record::audit::AuditEntry;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::key::KeyRecord;

/// What a change makes of a key and of the audit trail: the one definition for every store, which
/// only has to write it, all of it or nothing.
///
/// ```
/// use jiff::Timestamp;
/// use tower_api_key::record::{ChangeContext, KeyChange, KeyId, KeyRecord};
/// use tower_api_key::store::Transition;
///
/// let now = Timestamp::now();
/// let before = KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", now);
/// let context = ChangeContext::new(now);
/// let transition = Transition::of(&KeyChange::Disable, &before, &context)?;
/// let (after, entry) = transition.into_parts();
/// assert!(after.is_some_and(|after| after.is_disabled()));
/// assert!(entry.is_some());
/// # Ok::<(), tower_api_key::store::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    after: Option<KeyRecord>,
    entry: Option<AuditEntry>,
}

impl Transition {
    /// What the change makes of that record in that context.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when
    /// - the record has not the revision that the context expects
    ///   ([`RevisionMismatch`](StoreErrorKind::RevisionMismatch));
    /// - [`KeyChange::applied_to`] refuses the change ([`Refused`](StoreErrorKind::Refused)).
    pub fn of(
        change: &KeyChange,
        before: &KeyRecord,
        context: &ChangeContext,
    ) -> Result<Self, StoreError> {
        if let Some(expected) = context.expected_revision()
            && expected != before.revision()
        {
            let found = before.revision();
            let message = format!("expected revision {expected} of the key, found {found}");
            return Err(StoreError::new(StoreErrorKind::RevisionMismatch, message));
        }
        let after = change.applied_to(before)?;
        let entry = AuditEntry::of_change(change, before, after.as_ref(), context);
        Ok(Self { after, entry })
    }

    /// Whether the key stays as it is, so that there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.entry.is_none()
    }

    /// The record after the change; `None` when the key is deleted.
    pub fn after(&self) -> Option<&KeyRecord> {
        self.after.as_ref()
    }

    /// The entry of the audit trail, which the store has yet to number; `None` when the key stays
    /// as it is.
    pub fn entry(&self) -> Option<&AuditEntry> {
        self.entry.as_ref()
    }

    /// [`after`](Self::after) and [`entry`](Self::entry).
    pub fn into_parts(self) -> (Option<KeyRecord>, Option<AuditEntry>) {
        (self.after, self.entry)
    }
}
