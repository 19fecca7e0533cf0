//! Options of a store in PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use super::schema::DEFAULT_PREFIX;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::prefix::is_plain;

/// Options of a [`PostgresStore`](super::store::PostgresStore).
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::PostgresOptions;
///
/// let options = PostgresOptions::new()
///     .with_table_prefix("billing_keys_")
///     .with_deadline(Duration::from_millis(500));
/// ```
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pub(super) connections: usize,
    pub(super) table_prefix: String,
    pub(super) deadline: Duration,
    pub(super) max_calls: usize,
    pub(super) least_backoff: Duration,
    pub(super) greatest_backoff: Duration,
    pub(super) proof_interval: Duration,
    pub(super) root_certificates: Option<Arc<[u8]>>,
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            connections: 2,
            table_prefix: DEFAULT_PREFIX.to_owned(),
            deadline: Duration::from_secs(1),
            max_calls: 10_000,
            least_backoff: Duration::from_millis(50),
            greatest_backoff: Duration::from_secs(2),
            proof_interval: Duration::from_secs(1),
            root_certificates: None,
        }
    }

    /// Sets how many connections look up keys, from 1 to 64. Defaults to 2.
    ///
    /// Each is pipelined: a lookup is sent without waiting for the answers of others, so two are
    /// enough for tens of thousands of lookups a second. One more connection makes all changes, and
    /// one more listens for changes once the feed is watched.
    #[must_use]
    pub fn with_connections(self, connections: usize) -> Self {
        Self {
            connections,
            ..self
        }
    }

    /// Sets what the names of the tables start with: 1 to 32 of `a`–`z`, `0`–`9` and `_`, the first a
    /// letter. Defaults to `tower_api_key_`.
    ///
    /// The schema is the connection's: the first in its `search_path`.
    #[must_use]
    pub fn with_table_prefix(self, table_prefix: impl Into<String>) -> Self {
        Self {
            table_prefix: table_prefix.into(),
            ..self
        }
    }

    /// Sets how long a call may take, from 10 ms to 1 hour. Defaults to 1 s.
    ///
    /// It is the server's `statement_timeout` too. A connection that has not answered for so long
    /// is replaced.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets how many calls may be in flight, from 1 to 1,000,000; more are rejected as
    /// [`Overloaded`](StoreErrorKind::Overloaded). Defaults to 10,000.
    #[must_use]
    pub fn with_max_calls(self, max_calls: usize) -> Self {
        Self { max_calls, ..self }
    }

    /// Sets how long to wait before the next attempt to connect: first the least, then twice as long
    /// each time, up to the greatest; each shortened at random by up to a half. Defaults to 50 ms and
    /// 2 s.
    #[must_use]
    pub fn with_reconnect_backoff(self, least: Duration, greatest: Duration) -> Self {
        Self {
            least_backoff: least,
            greatest_backoff: greatest,
            ..self
        }
    }

    /// Sets the interval of the heartbeat of the change feed, from 10 ms to 1 hour. Defaults to 1 s.
    #[must_use]
    pub fn with_proof_interval(self, proof_interval: Duration) -> Self {
        Self {
            proof_interval,
            ..self
        }
    }

    /// Trusts the certificate authorities in this PEM text, and no others. Defaults to those that the
    /// operating system trusts.
    #[must_use]
    pub fn with_root_certificates(self, pem: impl AsRef<[u8]>) -> Self {
        Self {
            root_certificates: Some(pem.as_ref().into()),
            ..self
        }
    }

    /// Rejects what cannot work.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_prefix(&self.table_prefix)?;
        check_range("connections", self.connections, 1, 64)?;
        check_range("calls at once", self.max_calls, 1, 1_000_000)?;
        check_duration("a deadline", self.deadline)?;
        check_duration("a proof interval", self.proof_interval)?;
        let (least, greatest) = (self.least_backoff, self.greatest_backoff);
        if least.is_zero() || least > greatest || greatest > HOUR {
            return Err(rejected(format!(
                "expected backoff from more than 0 up to at most {HOUR:?}, \
                 found {least:?} to {greatest:?}"
            )));
        }
        Ok(())
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    if is_plain(prefix) {
        return Ok(());
    }
    Err(rejected(format!(
        "expected a table prefix of 1 to 32 of a-z, 0-9 and _ that starts with a letter, \
         found {prefix:?}"
    )))
}

fn check_range(what: &str, found: usize, least: usize, most: usize) -> Result<(), StoreError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(rejected(format!(
        "expected {least} to {most} {what}, found {found}"
    )))
}

fn check_duration(what: &str, found: Duration) -> Result<(), StoreError> {
    if (Duration::from_millis(10)..=HOUR).contains(&found) {
        return Ok(());
    }
    Err(rejected(format!(
        "expected {what} from 10ms to {HOUR:?}, found {found:?}"
    )))
}

fn rejected(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}
