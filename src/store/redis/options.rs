//! The options of a store in Redis.

use std::time::Duration;

use crate::store::contract::error::{StoreError, StoreErrorKind};

/// The options of a [`RedisStore`](super::store::RedisStore).
///
/// What cannot work is refused by the constructor of the store.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::RedisOptions;
///
/// let options = RedisOptions::new()
///     .with_key_prefix("billing_keys")
///     .with_deadline(Duration::from_millis(250));
/// ```
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(super) prefix: Box<str>,
    pub(super) deadline: Duration,
    pub(super) connect_deadline: Duration,
    pub(super) backoff: (Duration, Duration),
    pub(super) proof_interval: Duration,
    pub(super) max_in_flight: usize,
}

impl RedisOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            prefix: "tower_api_key".into(),
            deadline: Duration::from_secs(1),
            connect_deadline: Duration::from_secs(5),
            backoff: (Duration::from_millis(50), Duration::from_secs(2)),
            proof_interval: Duration::from_secs(1),
            max_in_flight: 1_024,
        }
    }

    /// What the names of all keys in Redis start with, between braces: 1 to 32 lower-case letters,
    /// digits and underscores, a letter first. The default is `tower_api_key`.
    ///
    /// Stores with different prefixes know nothing of each other.
    #[must_use]
    pub fn with_key_prefix(self, prefix: impl Into<Box<str>>) -> Self {
        Self {
            prefix: prefix.into(),
            ..self
        }
    }

    /// How long one call may wait for Redis; more than zero. The default is 1 s.
    ///
    /// A connection on which nothing was heard for that long is given up.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How long making a connection may take, with TLS and login; more than zero. The default is
    /// 5 s.
    #[must_use]
    pub fn with_connect_deadline(self, connect_deadline: Duration) -> Self {
        Self {
            connect_deadline,
            ..self
        }
    }

    /// The shortest and the longest wait between attempts to connect again; the shortest more than
    /// zero. The default is 50 ms and 2 s.
    ///
    /// The wait doubles from attempt to attempt, and is cut by up to a half at random.
    #[must_use]
    pub fn with_reconnect_backoff(self, shortest: Duration, longest: Duration) -> Self {
        Self {
            backoff: (shortest, longest),
            ..self
        }
    }

    /// How often the feed of changes proves that it has told all of them, and how often the server
    /// is asked, on the connection of calls too, whether it is still there and a primary; more than
    /// zero. The default is 1 s.
    #[must_use]
    pub fn with_proof_interval(self, proof_interval: Duration) -> Self {
        Self {
            proof_interval,
            ..self
        }
    }

    /// How many calls may be under way; more than zero. One more is an
    /// [`Overloaded`](StoreErrorKind::Overloaded) error. The default is 1,024.
    #[must_use]
    pub fn with_max_in_flight(self, max_in_flight: usize) -> Self {
        Self {
            max_in_flight,
            ..self
        }
    }

    /// Refuses what cannot work; the prefix is checked where names are made of it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let (shortest, longest) = self.backoff;
        let problem = if self.deadline.is_zero() || self.connect_deadline.is_zero() {
            "expected deadlines of more than zero, found zero"
        } else if self.proof_interval.is_zero() {
            "expected a proof interval of more than zero, found zero"
        } else if shortest.is_zero() || shortest > longest {
            "expected a shortest wait of more than zero and at most the longest, found another"
        } else if self.max_in_flight == 0 {
            "expected at least one call in flight, found zero"
        } else if self.max_in_flight > tokio::sync::Semaphore::MAX_PERMITS {
            "expected a bound on the calls in flight, found none"
        } else {
            return Ok(());
        };
        Err(StoreError::new(StoreErrorKind::Misconfigured, problem))
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self::new()
    }
}
