//! One change of a key, within the bounds of whoever makes it.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::ManageError;
use super::manager::KeyManager;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;

/// How often a change is judged anew, since another came in between.
const MAX_TRIES: usize = 16;

impl<S: KeyRegistry> KeyManager<S> {
    pub(super) async fn apply(
        &self,
        id: &KeyId,
        change: KeyChange,
        now: Timestamp,
    ) -> Result<Arc<KeyRecord>, ManageError> {
        let context = self.acting.context(now, &self.formats)?;
        // Only an update gives a key what a policy judges.
        let is_judged = matches!(change, KeyChange::Update(_)) && !self.policy.allows_everything();
        if self.acting.maker.is_none() && !is_judged {
            return Ok(self.store.apply(id, &change, &context).await?);
        }
        let mut tries = 0;
        loop {
            // The key before its maker: where they are one, a change in between is noticed below.
            let before = self.store.get(id).await?;
            let mandate = match &self.acting.maker {
                Some(maker) => Some(maker.mandate(&self.store, now).await?),
                None => None,
            };
            let before = before.ok_or_else(ManageError::not_found)?;
            if let Some(mandate) = &mandate {
                mandate.check_owner(&before)?;
            }
            if let Ok(Some(after)) = change.applied_to(&before) {
                self.policy.check_change(&before, &after)?;
                if let Some(mandate) = &mandate {
                    mandate.check_change(&before, &after)?;
                }
            }
            // What was judged is what is changed.
            let judged = before.revision();
            let expected = self.acting.expected_revision;
            if expected.is_some_and(|expected| expected != judged) {
                return Err(ManageError::revision_mismatch());
            }
            let context = context.clone().with_expected_revision(judged);
            tries += 1;
            match self.store.apply(id, &change, &context).await {
                Err(error)
                    if error.kind() == StoreErrorKind::RevisionMismatch
                        && expected.is_none()
                        && tries < MAX_TRIES => {}
                Err(error) => return Err(error.into()),
                Ok(record) => return Ok(record),
            }
        }
    }
}
