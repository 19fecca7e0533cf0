//! In whose name keys are managed.

use std::sync::Arc;

use jiff::Timestamp;

use super::delegation::Delegate;
use super::error::ManageError;
use super::limits::{check_actor, check_reason};
use crate::key::formats::KeyFormats;
use crate::record::context::ChangeContext;
use crate::record::key::KeyRecord;

/// In whose name, why, and of which revision keys are changed. Cheap to clone.
#[derive(Clone)]
pub(super) struct Acting {
    pub(super) actor: Arc<str>,
    pub(super) reason: Arc<str>,
    pub(super) expected_revision: Option<u64>,
    /// The key on whose behalf they are changed; `None` for the application.
    pub(super) delegate: Option<Delegate>,
}

impl Acting {
    pub(super) fn application() -> Self {
        Self {
            actor: ChangeContext::DEFAULT_ACTOR.into(),
            reason: "".into(),
            expected_revision: None,
            delegate: None,
        }
    }

    /// The context of a change at that time.
    pub(super) fn context(
        &self,
        now: Timestamp,
        formats: &KeyFormats,
    ) -> Result<ChangeContext, ManageError> {
        check_actor(&self.actor, formats)?;
        check_reason(&self.reason, formats)?;
        Ok(ChangeContext::new(now)
            .with_actor(&*self.actor)
            .with_reason(&*self.reason))
    }

    /// Checks that a key has the revision that the caller expects.
    pub(super) fn check_revision(&self, record: &KeyRecord) -> Result<(), ManageError> {
        match self.expected_revision {
            Some(expected) if expected != record.revision() => {
                Err(ManageError::revision_mismatch())
            }
            _ => Ok(()),
        }
    }
}
