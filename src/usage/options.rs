//! What a flusher can be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::UsageFlusherError;
use super::observer::UsageObserver;
use crate::clock::{Clock, SystemClock};

/// What a [`UsageFlusher`](super::flusher::UsageFlusher) can be told; it refuses what cannot work.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::usage::UsageFlusherOptions;
///
/// let options = UsageFlusherOptions::new()
///     .with_interval(Duration::from_secs(30))
///     .with_retention(Some(Duration::from_secs(400 * 86_400)));
/// ```
#[derive(Clone)]
pub struct UsageFlusherOptions {
    pub(super) interval: Duration,
    pub(super) max_waiting: usize,
    pub(super) max_batch: usize,
    pub(super) write_deadline: Duration,
    pub(super) shutdown_deadline: Duration,
    pub(super) retention: Option<Duration>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn UsageObserver>,
}

impl UsageFlusherOptions {
    const SHORTEST_RETENTION: Duration = Duration::from_secs(86_400);

    /// The defaults, each of which stands with its option.
    pub fn new() -> Self {
        Self {
            interval: Duration::from_secs(10),
            max_waiting: 100_000,
            max_batch: 5_000,
            write_deadline: Duration::from_secs(5),
            shutdown_deadline: Duration::from_secs(10),
            retention: Some(Duration::from_secs(90 * 86_400)),
            clock: Arc::new(SystemClock::new()),
            observer: Arc::new(()),
        }
    }

    /// Writes what was counted so often. Default: 10 s.
    ///
    /// A process that is killed loses at most the counts of one interval, and those that the store
    /// had not taken by then. When half of the [room](Self::with_max_waiting) is taken, counts are
    /// written earlier.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets how many usage records are buffered while the store does not take them. Overflow is dropped,
    /// counted and reported. Defaults to 100,000.
    ///
    /// There is one record, of some 170 bytes, for each key, secret and hour of use. Requests that a
    /// buffered record counts already take no further room. The batch that is being written is counted,
    /// and what is added to its keys meanwhile is not: at most as many records as the batch has.
    #[must_use]
    pub fn with_max_waiting(self, max_waiting: usize) -> Self {
        Self {
            max_waiting,
            ..self
        }
    }

    /// Writes at most so many sums in one batch. Default: 5,000.
    #[must_use]
    pub fn with_max_batch(self, max_batch: usize) -> Self {
        Self { max_batch, ..self }
    }

    /// Waits for each write at most so long; then it is dropped, and the same batch is tried again.
    /// Default: 5 s.
    #[must_use]
    pub fn with_write_deadline(self, write_deadline: Duration) -> Self {
        Self {
            write_deadline,
            ..self
        }
    }

    /// Lets a shutdown take at most so long. Default: 10 s.
    #[must_use]
    pub fn with_shutdown_deadline(self, shutdown_deadline: Duration) -> Self {
        Self {
            shutdown_deadline,
            ..self
        }
    }

    /// Deletes counters of hours that started longer ago than this, about once an hour; `None` keeps
    /// them forever. Defaults to 90 days; the shortest is a day.
    ///
    /// The counters of all processes are deleted: the shortest retention of any flusher applies. Only
    /// counters are: the last use of a key and of its scopes stays until the key is deleted, and the
    /// audit trail until you call
    /// [`prune_audit_before`](crate::store::AuditLog::prune_audit_before), which nothing calls for
    /// you.
    #[must_use]
    pub fn with_retention(self, retention: Option<Duration>) -> Self {
        Self { retention, ..self }
    }

    /// Dates uses by this clock. Default: the system's.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// Tells this observer when counts cannot be written, and when some were dropped. Default:
    /// nobody.
    #[must_use]
    pub fn with_observer(self, observer: impl UsageObserver) -> Self {
        Self {
            observer: Arc::new(observer),
            ..self
        }
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), UsageFlusherError> {
        let missing = [
            (self.interval.is_zero(), "an interval"),
            (self.max_waiting == 0, "room for one sum or more"),
            (self.max_batch == 0, "one sum in a batch or more"),
            (self.write_deadline.is_zero(), "a time to wait for a write"),
            (self.shutdown_deadline.is_zero(), "a time for a shutdown"),
        ];
        if let Some((_, what)) = missing.into_iter().find(|(is_missing, _)| *is_missing) {
            return Err(refused(format!("expected {what}, found none")));
        }
        match self.retention {
            Some(retention) if retention < Self::SHORTEST_RETENTION => Err(refused(format!(
                "expected a retention of {:?} or more, found {retention:?}",
                Self::SHORTEST_RETENTION
            ))),
            _ => Ok(()),
        }
    }
}

fn refused(message: String) -> UsageFlusherError {
    UsageFlusherError::options(message)
}

impl Default for UsageFlusherOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for UsageFlusherOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageFlusherOptions")
            .field("interval", &self.interval)
            .field("max_waiting", &self.max_waiting)
            .field("max_batch", &self.max_batch)
            .field("write_deadline", &self.write_deadline)
            .field("shutdown_deadline", &self.shutdown_deadline)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}
