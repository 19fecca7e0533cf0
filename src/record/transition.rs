//! What a change makes of a key.

use super::audit::AuditEntry;
use super::change::{ChangeRefused, KeyChange};
use super::context::ChangeContext;
use super::key::KeyRecord;

/// What a change makes of a key, and its entry in the audit trail.
///
/// ```
/// use jiff::Timestamp;
/// use tower_api_key::record::{ChangeContext, KeyChange, KeyId, KeyRecord, Transition};
///
/// let now = Timestamp::now();
/// let before = KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", now);
/// let context = ChangeContext::new(now);
/// let transition = Transition::of(&KeyChange::Disable, &before, &context)?;
/// assert!(transition.after().is_some_and(|after| after.is_disabled()));
/// # Ok::<(), tower_api_key::record::ChangeRefused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    after: Option<KeyRecord>,
    entry: Option<AuditEntry>,
}

impl Transition {
    /// Computes what the change makes of that record.
    ///
    /// A secret that was handed to the holder of another key never works with more than that key had:
    /// if the changed key has a scope that its [recipient](super::secret::SecretVersion::recipient)
    /// lacked, the secret expires at the time of the change; if it expires later, the secret expires
    /// when the recipient would have.
    ///
    /// # Errors
    ///
    /// Those of [`KeyChange::applied_to`].
    pub fn of(
        change: &KeyChange,
        before: &KeyRecord,
        context: &ChangeContext,
    ) -> Result<Self, ChangeRefused> {
        let mut after = change.applied_to(before)?;
        if let Some(after) = &mut after {
            if let KeyChange::Rotate { .. } = change {
                after.set_recipient_of_newest(context.recipient().cloned());
            }
            if after != before {
                after.bound_secrets(context.at());
            }
        }
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
