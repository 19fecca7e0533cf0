//! What is remembered of one digest, and until when it answers.

use std::sync::Arc;

use super::clock::Moment;
use crate::record::key::KeyRecord;

/// How long something is remembered.
#[derive(Clone, Copy)]
pub(super) struct Life {
    /// When the look-up that found it began.
    pub(super) read_at: Moment,
    /// From when on it does not answer without a proof that nothing has changed.
    pub(super) proof_needed_from: Moment,
    /// From when on it does not answer.
    pub(super) ends_at: Moment,
}

impl Life {
    /// Whether it answers now, given until when the last proof holds.
    #[inline]
    pub(super) fn answers(&self, now: Moment, proven_until: Moment) -> bool {
        now < self.answers_until(proven_until)
    }

    /// From when on it does not answer, given until when the last proof holds.
    #[inline]
    pub(super) fn answers_until(&self, proven_until: Moment) -> Moment {
        self.ends_at.min(self.proof_needed_from.max(proven_until))
    }

    /// Answers until then at least, proof or no proof.
    pub(super) fn prolong(&mut self, end: Moment) {
        self.proof_needed_from = self.proof_needed_from.max(end);
        self.ends_at = self.ends_at.max(end);
    }
}

/// A key that was found.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) record: Arc<KeyRecord>,
    pub(super) life: Life,
}
