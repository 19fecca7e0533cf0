//! Whether what was found in a map of records is still there.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a map's state, which changes when a record goes or another takes its place.
///
/// No number is given twice in a process. So a record that was found in one map under one number is
/// what that map has for as long as it has that number. That nothing was found says less: a record
/// may be added under the same number.
///
/// On cache lines of its own: every look-up reads it, whatever is written beside it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Generation(AtomicU64);

/// A number that a [`Generation`] has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(NonZero<u64>);

/// In place of a number while a change is under way.
const CHANGING: u64 = 0;

impl Generation {
    /// The number; none while a change is under way. To be read before the map is.
    #[inline]
    pub(super) fn current(&self) -> Option<Number> {
        NonZero::new(self.0.load(Ordering::Acquire)).map(Number)
    }

    /// Makes a change. Once anybody may have seen it, nobody is told the number from before.
    ///
    /// Changes may not overlap. After a panic in one there is none until the next has ended.
    pub(super) fn change<T>(&self, work: impl FnOnce() -> T) -> T {
        // Whoever sees the work sees this too, since the work is published by a release.
        self.0.store(CHANGING, Ordering::Relaxed);
        let done = work();
        self.0.store(next(), Ordering::Release);
        done
    }
}

impl Default for Generation {
    fn default() -> Self {
        Self(AtomicU64::new(next()))
    }
}

/// A number that was not given before: 64 bits last for centuries.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(CHANGING + 1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_no_number_and_leaves_another() {
        let (one, other) = (Generation::default(), Generation::default());
        let before = one.current();
        assert!(before.is_some() && before != other.current());
        assert_eq!(one.change(|| one.current()), None);
        let after = one.current();
        assert!(after.is_some() && after != before && after != other.current());
    }
}
