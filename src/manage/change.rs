//! The loop that changes a key: read, decide, commit, and again if another change came in between.

use std::sync::Arc;

use jiff::Timestamp;

use super::delegation::Delegation;
use super::error::{ManageError, ManageErrorKind};
use super::manager::KeyManager;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::transition::Transition;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::write::Commit;

/// How often a change is decided again because another one came in between.
pub(super) const MAX_TRIES: usize = 64;

impl<S: KeyRegistry> KeyManager<S> {
    /// Changes a key; returns the record after the change, or the one before a deletion.
    pub(super) async fn apply(
        &self,
        id: &KeyId,
        change: KeyChange,
        now: Timestamp,
    ) -> Result<Arc<KeyRecord>, ManageError> {
        let mut context = self.acting.context(now, &self.formats)?;
        for _ in 0..MAX_TRIES {
            let delegation = self.delegation().await?;
            let before = self.store.get(id).await?;
            let before = before.ok_or_else(ManageError::not_found)?;
            if let Some(delegation) = &delegation {
                delegation.check_reach(&before)?;
                context = context.with_recipient(Some(delegation.recipient()));
            }
            self.acting.check_revision(&before)?;
            check_state(&before, &change, now)?;
            let transition = Transition::of(&change, &before, &context)?;
            if let Some(after) = transition.after() {
                self.policy.check_change(&before, after)?;
                if let Some(delegation) = &delegation {
                    delegation.check_change(&before, after)?;
                }
            }
            let Some(commit) = Commit::of(&before, transition) else {
                return Ok(before);
            };
            let next = commit.next.clone();
            let acting = delegation.map(|delegation| delegation.acting_key());
            match self.store.commit(commit.with_acting(acting)).await {
                Ok(()) => return Ok(next.unwrap_or(before)),
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended().into())
    }

    /// What the acting key may do at this moment; `None` if the application acts.
    ///
    /// Each attempt reads the clock again: the acting secret may have expired in between.
    pub(super) async fn delegation(&self) -> Result<Option<Delegation>, ManageError> {
        let Some(delegate) = &self.acting.delegate else {
            return Ok(None);
        };
        let record = self.store.get(&delegate.id).await?;
        Delegation::of(record, delegate, self.now()?).map(Some)
    }
}

pub(super) fn is_conflict(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Conflict
}

/// The error after too many attempts.
pub(super) fn contended() -> StoreError {
    let message = format!("other changes came in between {MAX_TRIES} times");
    StoreError::new(StoreErrorKind::Overloaded, message)
}

/// No secret of an expired key would work.
fn check_state(before: &KeyRecord, change: &KeyChange, now: Timestamp) -> Result<(), ManageError> {
    let is_expired = before
        .expires_at()
        .is_some_and(|expires_at| now >= expires_at);
    if matches!(change, KeyChange::Rotate { .. }) && is_expired && before.revocation().is_none() {
        let message = "the key has expired; set a later expiration date before you rotate it";
        return Err(ManageError::new(ManageErrorKind::Refused, message));
    }
    Ok(())
}
