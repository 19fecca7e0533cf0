//! The clocks by which a cache judges what it remembers.

use std::time::{Duration, Instant as StdInstant};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A moment, in nanoseconds since one that is the clock's own.
pub(super) type Moment = u64;

/// A moment that never comes.
pub(super) const NEVER: Moment = u64::MAX;

/// Tells the time.
pub(super) enum Clock {
    /// Tokio's, which a test can pause.
    Tokio { began: Instant },
    /// The kernel's, which runs as tokio's does while nobody pauses that one.
    #[cfg(target_os = "linux")]
    Kernel,
}

impl Clock {
    pub(super) fn tokio() -> Self {
        Self::Tokio {
            began: Instant::now(),
        }
    }

    /// The fastest there is.
    pub(super) fn fastest() -> Self {
        #[cfg(target_os = "linux")]
        return Self::Kernel;
        #[cfg(not(target_os = "linux"))]
        Self::tokio()
    }

    pub(super) fn now(&self) -> Moment {
        match self {
            Self::Tokio { began } => nanoseconds(began.elapsed()),
            #[cfg(target_os = "linux")]
            Self::Kernel => read(ClockId::Monotonic),
        }
    }

    /// A moment that is not before now, though it may be a second after; fast to read.
    #[inline]
    pub(super) fn at_latest(&self) -> Moment {
        match self {
            Self::Tokio { .. } => self.now(),
            #[cfg(target_os = "linux")]
            Self::Kernel => read(ClockId::MonotonicCoarse).saturating_add(MOST_BEHIND),
        }
    }

    /// Whether [`at_latest`](Self::at_latest) is now.
    #[inline]
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Tokio { .. })
    }

    /// The moment of an instant on tokio's clock, or one before; the first, for what was earlier.
    pub(super) fn moment(&self, instant: StdInstant) -> Moment {
        // Now first, so that what passes until the instant's age is known makes it older.
        let now = self.now();
        now.saturating_sub(nanoseconds(Instant::from_std(instant).elapsed()))
    }
}

/// By how much the kernel's coarse clock is behind at most. It is as the other was at the last tick,
/// and costs a fifth of it to read. A tick takes at most 10 ms, but some are late, as on a virtual
/// machine whose processor is taken away. It costs nothing to allow for a hundred of them: only in
/// the last second of a life is the other clock read, too.
#[cfg(target_os = "linux")]
const MOST_BEHIND: Moment = 1_000_000_000;

#[cfg(target_os = "linux")]
#[inline]
fn read(clock: ClockId) -> Moment {
    let time = clock_gettime(clock);
    // OK because neither clock is ever negative, and a `u64` holds 584 years.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// Saturates after 584 years.
#[inline]
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Moment = 1_000_000_000;

    #[test]
    fn the_fast_reading_is_never_before_now() {
        for clock in [Clock::tokio(), Clock::fastest()] {
            let mut before = clock.now();
            for _ in 0..200_000 {
                let latest = clock.at_latest();
                assert!(latest >= before, "{latest} < {before}");
                let now = clock.now();
                assert!(now >= before && latest <= now + SECOND);
                assert!(!clock.is_exact() || latest <= now);
                before = now;
            }
        }
    }

    #[test]
    fn an_instant_is_never_taken_for_a_later_one() {
        for clock in [Clock::tokio(), Clock::fastest()] {
            for _ in 0..10_000 {
                let before = clock.now();
                let instant = Instant::now().into_std();
                let after = clock.now();
                let moment = clock.moment(instant);
                assert!(moment <= after, "{moment} > {after}");
                let age = nanoseconds(instant.elapsed()) + after - before;
                assert!(moment + age >= before);
            }
            let later = StdInstant::now() + Duration::from_secs(1);
            assert!(clock.moment(later) <= clock.now());
        }
        let clock = Clock::tokio();
        let earlier = StdInstant::now()
            .checked_sub(Duration::from_secs(1))
            .unwrap();
        assert_eq!(clock.moment(earlier), 0);
    }
}
