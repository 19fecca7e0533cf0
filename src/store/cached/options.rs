//! What a cache can be told.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::observer::CacheObserver;

/// What a [`CachedStore`](super::store::CachedStore) can be told; it refuses what cannot work.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::CacheOptions;
///
/// let options = CacheOptions::new()
///     .with_capacity(20_000)
///     .with_time_to_live(Duration::from_secs(30));
/// ```
#[derive(Clone)]
pub struct CacheOptions {
    pub(super) capacity: u32,
    pub(super) time_to_live: Duration,
    pub(super) negative_capacity: u32,
    pub(super) negative_time_to_live: Duration,
    pub(super) fallback_time_to_live: Duration,
    pub(super) max_look_ups: u32,
    pub(super) unknown_keys_per_second: Option<u32>,
    pub(super) look_up_deadline: Duration,
    pub(super) stale_if_error: Option<Duration>,
    pub(super) observer: Arc<dyn CacheObserver>,
}

impl CacheOptions {
    /// The defaults, each of which stands with its option.
    pub fn new() -> Self {
        Self {
            capacity: 100_000,
            time_to_live: Duration::from_secs(60),
            negative_capacity: 10_000,
            negative_time_to_live: Duration::from_secs(5),
            fallback_time_to_live: Duration::from_secs(5),
            max_look_ups: 256,
            unknown_keys_per_second: Some(10_000),
            look_up_deadline: Duration::from_secs(1),
            stale_if_error: None,
            observer: Arc::new(()),
        }
    }

    /// Holds at most so many digests of keys. Default: 100,000.
    ///
    /// Beside its record, each takes about 220 octets. When there is no room, one that was not
    /// used of late makes way.
    #[must_use]
    pub fn with_capacity(self, capacity: u32) -> Self {
        Self { capacity, ..self }
    }

    /// Answers with a record for at most so long after it was read. Default: 60 s.
    ///
    /// Without a feed, this is how long a key that was revoked elsewhere may still be let in. Zero
    /// means that no record is remembered.
    ///
    /// The cache shortens the time by up to a tenth, at random, so that what was read together is
    /// not read again together.
    #[must_use]
    pub fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self {
            time_to_live,
            ..self
        }
    }

    /// Holds at most so many digests of unknown keys. Default: 10,000.
    ///
    /// Each takes about 150 octets. They have this bound of their own, so that a flood of them
    /// drives out no key.
    #[must_use]
    pub fn with_negative_capacity(self, negative_capacity: u32) -> Self {
        Self {
            negative_capacity,
            ..self
        }
    }

    /// Remembers for at most so long that a key is unknown. Default: 5 s.
    ///
    /// Without a feed, a key that was issued elsewhere may be refused for so long. Zero means that
    /// it is not remembered.
    /// It is shortened as the time to live is.
    #[must_use]
    pub fn with_negative_time_to_live(self, negative_time_to_live: Duration) -> Self {
        Self {
            negative_time_to_live,
            ..self
        }
    }

    /// Answers for at most so long after the last proof that the feed is complete, or after a
    /// record was read, whichever is later. Default: 5 s.
    ///
    /// With a feed that is lost or silent, this is how long a key that was revoked elsewhere may
    /// still be let in. It must exceed the time between two proofs by far. Without a feed, it
    /// means nothing.
    #[must_use]
    pub fn with_fallback_time_to_live(self, fallback_time_to_live: Duration) -> Self {
        Self {
            fallback_time_to_live,
            ..self
        }
    }

    /// Has at most so many look-ups under way; a request that needs one more is refused at once,
    /// with [`Overloaded`](crate::store::StoreErrorKind::Overloaded). Default: 256.
    ///
    /// A quarter of them is kept for keys that the cache holds and has to read again, so that a
    /// flood of unknown keys does not cost those their answer.
    #[must_use]
    pub fn with_max_look_ups(self, max_look_ups: u32) -> Self {
        Self {
            max_look_ups,
            ..self
        }
    }

    /// Asks the store for at most so many unknown keys a second; beyond that, a request for a key
    /// that the cache does not hold is refused at once, with
    /// [`Overloaded`](crate::store::StoreErrorKind::Overloaded). Default: 10,000. `None` means
    /// no such bound.
    ///
    /// It spares a store that is shared the rest of a flood of unknown keys, whose rate the number
    /// of look-ups under way bounds only as far as the store is slow. Each look-up counts until it
    /// has found a key, and one that fails counts, too. So a cache fills with keys that exist as
    /// fast as the store answers, whatever this rate, as after a start under full load. A second's
    /// worth may begin at once.
    #[must_use]
    pub fn with_unknown_keys_per_second(self, unknown_keys_per_second: Option<u32>) -> Self {
        Self {
            unknown_keys_per_second,
            ..self
        }
    }

    /// Waits for each look-up at most so long; then it is dropped, and fails with
    /// [`TimedOut`](crate::store::StoreErrorKind::TimedOut). Default: 1 s.
    #[must_use]
    pub fn with_look_up_deadline(self, look_up_deadline: Duration) -> Self {
        Self {
            look_up_deadline,
            ..self
        }
    }

    /// Answers with a record that is out of date while the store cannot be asked, until `max_age`
    /// after it was read. Default: never.
    ///
    /// The store cannot be asked when it is unavailable, late or overloaded, or when the bounds on
    /// look-ups refuse. A key that has expired, or whose change the cache has heard of, is refused
    /// all the same.
    ///
    /// # Security
    ///
    /// While the store cannot be asked, a key that was revoked elsewhere, unheard, may be let in
    /// for `max_age`, in place of the time to live and of the fallback.
    #[must_use]
    pub fn with_stale_if_error(self, max_age: Duration) -> Self {
        Self {
            stale_if_error: Some(max_age),
            ..self
        }
    }

    /// Tells this observer when the feed is lost or restored, and when a record that is out of
    /// date answers. Default: nobody.
    #[must_use]
    pub fn with_observer(self, observer: impl CacheObserver) -> Self {
        Self {
            observer: Arc::new(observer),
            ..self
        }
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidCacheOptions> {
        let none = |what, hint| InvalidCacheOptions(format!("expected {what}, found none{hint}"));
        if self.capacity == 0 {
            let hint = "; to remember no key, set the time to live to zero";
            return Err(none("room for one key or more", hint));
        }
        if self.negative_capacity == 0 {
            let hint = "; to remember no unknown key, set the negative time to live to zero";
            return Err(none("room for one unknown key or more", hint));
        }
        if self.max_look_ups == 0 {
            return Err(none("one look-up under way or more", ""));
        }
        if self.unknown_keys_per_second == Some(0) {
            return Err(none("one unknown key a second or more", ""));
        }
        if self.look_up_deadline.is_zero() {
            return Err(none("a time to wait for a look-up", ""));
        }
        if self.fallback_time_to_live.is_zero() {
            let hint = "; a proof would be out of date before it arrives";
            return Err(none("a fallback time to live", hint));
        }
        match self.stale_if_error {
            Some(max_age) if self.time_to_live.is_zero() || max_age <= self.time_to_live => {
                Err(InvalidCacheOptions(format!(
                    "expected an age for answers while the store fails beyond a time to live that \
                     is not zero, found {max_age:?} and {:?}",
                    self.time_to_live
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheOptions")
            .field("capacity", &self.capacity)
            .field("time_to_live", &self.time_to_live)
            .field("negative_capacity", &self.negative_capacity)
            .field("negative_time_to_live", &self.negative_time_to_live)
            .field("fallback_time_to_live", &self.fallback_time_to_live)
            .field("max_look_ups", &self.max_look_ups)
            .field("unknown_keys_per_second", &self.unknown_keys_per_second)
            .field("look_up_deadline", &self.look_up_deadline)
            .field("stale_if_error", &self.stale_if_error)
            .finish_non_exhaustive()
    }
}

/// Options of a cache that cannot work; the message says which, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCacheOptions(String);

impl fmt::Display for InvalidCacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidCacheOptions {}
