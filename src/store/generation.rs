//! Which state a store is in.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a store's state, which each change of it replaces.
///
/// No number is given twice in a process, so one stands for one state of one store, and whatever
/// was read in that state is what the store would answer, for as long as the number is the same.
pub(super) struct Generation(AtomicU64);

/// A number that a [`Generation`] has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(u64);

impl Generation {
    /// The number of the state. To be read before the state itself is.
    #[inline]
    pub(super) fn current(&self) -> Number {
        Number(self.0.load(Ordering::Acquire))
    }

    /// Gives the state another number. To be called when a change is there to be read, and before
    /// anybody is told of it; and by one thread at a time.
    pub(super) fn renew(&self) {
        self.0.store(next(), Ordering::Release);
    }
}

impl Default for Generation {
    fn default() -> Self {
        Self(AtomicU64::new(next()))
    }
}

/// A number that was not given before: 64 bits last for centuries.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
