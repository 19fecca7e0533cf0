//! What is remembered of one digest, and until when it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::key::KeyRecord;

/// A moment, in nanoseconds since the cache was made.
pub(super) type Moment = u64;

/// A moment that never comes.
pub(super) const NEVER: Moment = u64::MAX;

/// How long something is remembered.
#[derive(Clone, Copy)]
pub(super) struct Life {
    /// Which generation it belongs to: when another begins, it does not answer any more.
    pub(super) generation: u64,
    /// When the look-up that found it began.
    pub(super) read_at: Moment,
    /// From when on it does not answer without a proof that nothing has changed.
    pub(super) proof_needed_from: Moment,
    /// From when on it does not answer.
    pub(super) ends_at: Moment,
}

impl Life {
    /// Whether it answers, given until when the last proof holds.
    #[inline]
    pub(super) fn answers(&self, now: Moment, proven_until: Moment) -> bool {
        now < self.ends_at && (now < self.proof_needed_from || now < proven_until)
    }
}

/// A key that was found.
pub(super) struct Entry {
    pub(super) record: Arc<KeyRecord>,
    pub(super) life: Life,
    /// Until when it answers all the same, since the store has failed.
    spared_until: AtomicU64,
}

impl Entry {
    pub(super) fn new(record: Arc<KeyRecord>, life: Life) -> Self {
        Self {
            record,
            life,
            spared_until: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn answers(&self, now: Moment, proven_until: Moment) -> bool {
        self.life.answers(now, proven_until) || now < self.spared_until.load(Ordering::Relaxed)
    }

    /// Answers until then, whatever its life.
    pub(super) fn spare_until(&self, end: Moment) {
        self.spared_until.store(end, Ordering::Relaxed);
    }
}
