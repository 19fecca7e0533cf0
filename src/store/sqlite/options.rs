//! How an SQLite store works.

use std::thread::available_parallelism;
use std::time::Duration;

use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::prefix::is_plain;

/// Options of an [`SqliteStore`](super::store::SqliteStore).
///
/// What cannot work is refused when the store is opened.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::SqliteOptions;
///
/// let options = SqliteOptions::new()
///     .with_table_prefix("billing_keys_")
///     .with_deadline(Duration::from_secs(2));
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
    pub(super) create: bool,
    pub(super) synchronous: Synchronous,
}

/// What the names of the tables begin with, unless another prefix is set.
pub(super) const DEFAULT_PREFIX: &str = "tower_api_key_";

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synchronous {
    Full,
    Normal,
}

impl SqliteOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            table_prefix: DEFAULT_PREFIX.into(),
            busy_timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(5),
            poll_interval: Duration::from_millis(100),
            // More readers than processors only take memory.
            readers: available_parallelism().map_or(1, |count| count.get().min(16)),
            queue: 1_024,
            inline: true,
            create: true,
            synchronous: Synchronous::Full,
        }
    }

    /// What the names of the tables begin with: 1 to 32 of `a`–`z`, `0`–`9` and `_`, the first a
    /// letter, and not `sqlite_`. Default: `tower_api_key_`.
    ///
    /// So keys can live beside others, and beside other tables, in one file.
    #[must_use]
    pub fn with_table_prefix(self, table_prefix: impl Into<Box<str>>) -> Self {
        Self {
            table_prefix: table_prefix.into(),
            ..self
        }
    }

    /// How long SQLite waits for a lock that another process or connection holds, before the
    /// change fails, from 1 ms to 1 hour, and no longer than until the
    /// [deadline](Self::with_deadline) of the call. Default: 2 s.
    #[must_use]
    pub fn with_busy_timeout(self, busy_timeout: Duration) -> Self {
        Self {
            busy_timeout,
            ..self
        }
    }

    /// How long any call waits for its answer, from 1 ms to 1 hour; then it is a
    /// [`TimedOut`](StoreErrorKind::TimedOut) error. Default: 5 s.
    ///
    /// A change that does not have the file's lock by then is not made; one that has it is finished.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How often the store looks whether another process has changed the file, for the listeners
    /// of its [`ChangeFeed`](crate::store::ChangeFeed), from 1 ms to 1 hour. Default: 100 ms.
    ///
    /// Look-ups in the store itself see every change at once, whoever made it.
    #[must_use]
    pub fn with_poll_interval(self, poll_interval: Duration) -> Self {
        Self {
            poll_interval,
            ..self
        }
    }

    /// How many connections answer look-ups, from 1 to 256. Default: one for each processor, at
    /// most 16.
    #[must_use]
    pub fn with_readers(self, readers: usize) -> Self {
        Self { readers, ..self }
    }

    /// How many changes, and how many look-ups, may wait, from 1 to 65,536; one more is an
    /// [`Overloaded`](StoreErrorKind::Overloaded) error at once. Default: 1,024.
    ///
    /// Whatever still waits at its [deadline](Self::with_deadline) is dropped.
    #[must_use]
    pub fn with_queue(self, queue: usize) -> Self {
        Self { queue, ..self }
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

    /// Fails to open a file that does not exist. Defaults to creating it.
    ///
    /// `?mode=rw` in a URL does the same; `?mode=rwc` does not undo it.
    #[must_use]
    pub fn with_existing_file(self) -> Self {
        Self {
            create: false,
            ..self
        }
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_prefix(&self.table_prefix)?;
        check_duration("a busy time-out", self.busy_timeout)?;
        check_duration("a deadline", self.deadline)?;
        check_duration("a poll interval", self.poll_interval)?;
        check_range("readers", self.readers, 256)?;
        check_range("waiting calls", self.queue, 65_536)
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    // SQLite keeps names that start so for itself.
    if is_plain(prefix) && !prefix.starts_with("sqlite_") {
        return Ok(());
    }
    Err(refused(format!(
        "expected a table prefix of 1 to 32 of a-z, 0-9 and _ that starts with a letter and not \
         with sqlite_, found {prefix:?}"
    )))
}

fn check_duration(what: &str, found: Duration) -> Result<(), StoreError> {
    let hour = Duration::from_secs(3_600);
    if (Duration::from_millis(1)..=hour).contains(&found) {
        return Ok(());
    }
    Err(refused(format!(
        "expected {what} from 1ms to {hour:?}, found {found:?}"
    )))
}

fn check_range(what: &str, found: usize, most: usize) -> Result<(), StoreError> {
    if (1..=most).contains(&found) {
        return Ok(());
    }
    Err(refused(format!(
        "expected 1 to {most} {what}, found {found}"
    )))
}

fn refused(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}
