//! What is remembered of one digest, and until when it answers.

use std::sync::Arc;
use std::time::Duration;

use crate::record::key::KeyRecord;

/// A moment, in nanoseconds since the cache was made.
pub(super) type Moment = u64;

/// A moment that never comes.
pub(super) const NEVER: Moment = u64::MAX;

/// Saturates after 584 years.
#[inline]
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

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
