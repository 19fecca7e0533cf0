//! In whose name keys are managed.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::ManageError;
use super::limits::{check_actor, check_reason};
use super::mandate::Maker;
use crate::key::formats::KeyFormats;
use crate::record::context::ChangeContext;

/// In whose name, why, and of which revision keys are changed. Cheap to clone.
#[derive(Clone)]
pub(super) struct Acting {
    pub(super) actor: Arc<str>,
    pub(super) reason: Arc<str>,
    pub(super) expected_revision: Option<u64>,
    /// The key within whose bounds they are changed, if it is one.
    pub(super) maker: Option<Maker>,
}

impl Acting {
    pub(super) fn application() -> Self {
        Self {
            actor: ChangeContext::DEFAULT_ACTOR.into(),
            reason: "".into(),
            expected_revision: None,
            maker: None,
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
        let context = ChangeContext::new(now)
            .with_actor(&*self.actor)
            .with_reason(&*self.reason);
        Ok(match self.expected_revision {
            Some(revision) => context.with_expected_revision(revision),
            None => context,
        })
    }
}
