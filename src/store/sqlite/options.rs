//! How an SQLite store works.

use std::thread::available_parallelism;
use std::time::Duration;

use crate::store::error::{StoreError, StoreErrorKind};

/// How a [`SqliteStore`](super::store::SqliteStore) works. The defaults serve most.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::SqliteOptions;
///
/// let options = SqliteOptions::new()
///     .with_table_prefix("billing_")?
///     .with_deadline(Duration::from_secs(2))?;
/// # Ok::<(), tower_api_key::store::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub(super) table_prefix: Box<str>,
    pub(super) busy_timeout: Duration,
    pub(super) deadline: Duration,
    pub(super) poll_interval: Duration,
    pub(super) readers: usize,
    pub(super) queue: usize,
    pub(super) inline: bool,
    pub(super) synchronous: Synchronous,
}

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synchronous {
    Full,
    Normal,
}

impl SqliteOptions {
    /// The defaults, which each method names.
    pub fn new() -> Self {
        Self {
            table_prefix: "tower_api_key_".into(),
            busy_timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(5),
            poll_interval: Duration::from_millis(100),
            // More readers than processors only take memory.
            readers: available_parallelism().map_or(1, |count| count.get().min(16)),
            queue: 1_024,
            inline: true,
            synchronous: Synchronous::Full,
        }
    }

    /// What the names of the tables start with, so that the keys can live beside others in one
    /// file. Default: `tower_api_key_`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] unless the prefix is 1 to 32 of the characters `a`–`z`, `0`–`9` and `_`, the
    /// first of them a letter, and does not start with `sqlite_`.
    pub fn with_table_prefix(self, prefix: &str) -> Result<Self, StoreError> {
        let word = prefix
            .bytes()
            .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let fits = (1..=32).contains(&prefix.len());
        let first = prefix.starts_with(|first: char| first.is_ascii_lowercase());
        if !(word && fits && first) || prefix.starts_with("sqlite_") {
            return Err(refused(format!(
                "expected a table prefix of 1 to 32 lower-case letters, digits and underscores, \
                 the first a letter and not sqlite_, found {prefix:?}"
            )));
        }
        Ok(Self {
            table_prefix: prefix.into(),
            ..self
        })
    }

    /// How long SQLite waits for a lock that another process or connection holds, before the
    /// change fails. Default: 2 seconds.
    ///
    /// # Errors
    ///
    /// [`StoreError`] unless it is between a millisecond and an hour.
    pub fn with_busy_timeout(self, busy_timeout: Duration) -> Result<Self, StoreError> {
        Ok(Self {
            busy_timeout: bounded("a busy time-out", busy_timeout)?,
            ..self
        })
    }

    /// How long any call waits for its answer; then it is a
    /// [`TimedOut`](StoreErrorKind::TimedOut) error. Default: 5 seconds.
    ///
    /// # Errors
    ///
    /// [`StoreError`] unless it is between a millisecond and an hour.
    pub fn with_deadline(self, deadline: Duration) -> Result<Self, StoreError> {
        Ok(Self {
            deadline: bounded("a deadline", deadline)?,
            ..self
        })
    }

    /// How often the store looks whether another process has changed the file, for the listeners
    /// of its [`ChangeFeed`](crate::store::ChangeFeed). Default: 100 milliseconds.
    ///
    /// Look-ups in the store itself see every change at once, whoever made it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] unless it is between a millisecond and an hour.
    pub fn with_poll_interval(self, poll_interval: Duration) -> Result<Self, StoreError> {
        Ok(Self {
            poll_interval: bounded("a poll interval", poll_interval)?,
            ..self
        })
    }

    /// How many connections answer look-ups. Default: one for each processor, at most 16.
    ///
    /// # Errors
    ///
    /// [`StoreError`] unless it is between 1 and 256.
    pub fn with_readers(self, readers: usize) -> Result<Self, StoreError> {
        Ok(Self {
            readers: within("a number of readers", readers, 256)?,
            ..self
        })
    }

    /// How many changes, and how many look-ups, may wait; one more is an
    /// [`Overloaded`](StoreErrorKind::Overloaded) error at once. Default: 1,024.
    ///
    /// # Errors
    ///
    /// [`StoreError`] unless it is between 1 and 65,536.
    pub fn with_queue(self, queue: usize) -> Result<Self, StoreError> {
        Ok(Self {
            queue: within("a queue", queue, 65_536)?,
            ..self
        })
    }

    /// Looks keys up on threads, one for each reader, and never on the thread that asks.
    ///
    /// By default a look-up reads the file where it is called: that takes a few microseconds while
    /// the pages are in memory, less than to hand the look-up over. A page that is not in memory
    /// holds that thread, and every task on it, until the disk has answered: on a busy virtual disk
    /// we saw 0.1 ms in half of the cases and 12 ms in one of a hundred. Choose this where the file
    /// is larger than the memory that is left for it, or lies on a slow disk.
    #[must_use]
    pub fn with_lookups_on_a_thread(self) -> Self {
        Self {
            inline: false,
            ..self
        }
    }

    /// Answers a change before the disk has it: SQLite's `synchronous=NORMAL`. Default: `FULL`.
    ///
    /// # Warning
    ///
    /// A crash of the process loses nothing, but a loss of power, or a crash of the operating
    /// system, takes back the last changes: a key that was handed out does not work, and **a key
    /// that was revoked works again**.
    #[must_use]
    pub fn with_insecure_synchronous_normal(self) -> Self {
        Self {
            synchronous: Synchronous::Normal,
            ..self
        }
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

fn bounded(what: &str, duration: Duration) -> Result<Duration, StoreError> {
    let bounds = Duration::from_millis(1)..=Duration::from_secs(60 * 60);
    if bounds.contains(&duration) {
        Ok(duration)
    } else {
        Err(refused(format!(
            "expected {what} between a millisecond and an hour, found {duration:?}"
        )))
    }
}

fn within(what: &str, count: usize, most: usize) -> Result<usize, StoreError> {
    if (1..=most).contains(&count) {
        Ok(count)
    } else {
        Err(refused(format!(
            "expected {what} from 1 to {most}, found {count}"
        )))
    }
}

fn refused(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}
