//! What a flusher tells of itself.

use std::sync::Arc;

use crate::store::contract::error::StoreError;

/// Is told when counts cannot be written, and when some were dropped.
///
/// It is called by the flusher's tasks, never on the way of a request; it must not block, and a
/// panic is contained. A closure `Fn(&UsageEvent)` is an observer; `()` does nothing.
pub trait UsageObserver: Send + Sync + 'static {
    /// Notes an event.
    fn event(&self, event: &UsageEvent);
}

/// What a flusher tells of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UsageEvent {
    /// The store did not take a batch; the same batch is tried again.
    WriteFailed {
        /// Why.
        failure: StoreError,
        /// Sums that wait to be written, of a key, secret version and hour each.
        waiting: usize,
    },
    /// The store takes batches again.
    WriteRestored,
    /// Counted requests were dropped for want of room, and are in no sum of the store.
    Dropped {
        /// How many since this was last told.
        requests: u64,
    },
    /// The store did not forget old sums; that is tried again after the next interval.
    ForgetFailed {
        /// Why.
        failure: StoreError,
    },
}

impl UsageObserver for () {
    fn event(&self, _: &UsageEvent) {}
}

impl<F: Fn(&UsageEvent) + Send + Sync + 'static> UsageObserver for F {
    fn event(&self, event: &UsageEvent) {
        self(event);
    }
}

impl UsageObserver for Arc<dyn UsageObserver> {
    fn event(&self, event: &UsageEvent) {
        (**self).event(event);
    }
}
