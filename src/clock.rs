//! Where the crate reads the time: a trait, the system's clock, and one that is set by hand.
//!
//! ```
//! use std::time::Duration;
//! use tower_api_key::clock::{Clock, ManualClock};
//!
//! let clock = ManualClock::at("2026-01-01T00:00:00Z".parse()?);
//! let copy = clock.clone(); // both show the same time
//! clock.advance(Duration::from_secs(90));
//! assert_eq!(copy.now().to_string(), "2026-01-01T00:01:30Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

/// A source of wall-clock time.
///
/// Every expiration date is compared with one of these, so that tests can set the time. A closure
/// `Fn() -> Timestamp` is a clock.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

impl<F> Clock for F
where
    F: Fn() -> Timestamp + Send + Sync + 'static,
{
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The operating system's wall clock; the default everywhere.
///
/// A reading that [`Timestamp`] cannot hold (before the year −9999 or after 9999) becomes the
/// nearest one that it can.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// The operating system's wall clock.
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now();
        Timestamp::try_from(now).unwrap_or_else(|_| {
            if now < SystemTime::UNIX_EPOCH {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            }
        })
    }
}

/// A clock that moves only when it is told to, for tests of expiry.
///
/// Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<RwLock<Timestamp>>);

impl ManualClock {
    /// A clock that stands at `time`.
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(RwLock::new(time)))
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, time: Timestamp) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Moves the time forwards, at most to [`Timestamp::MAX`].
    pub fn advance(&self, by: Duration) {
        self.step(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX));
    }

    /// Moves the time backwards, at most to [`Timestamp::MIN`].
    pub fn step_back(&self, by: Duration) {
        self.step(-SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX));
    }

    fn step(&self, by: SignedDuration) {
        let mut time = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let limit = if by.is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        *time = time.checked_add(by).unwrap_or(limit);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
