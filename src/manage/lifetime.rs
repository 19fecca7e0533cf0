//! When a key ends.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::error::ManageError;
use super::limits::invalid;
use crate::record::moment::Moment;

/// How long previous secrets stay valid after a rotation that names no grace period: 24 hours.
///
/// The management API uses it, and so should every other place that lets people rotate keys: a
/// rotation without options must not deny the clients that have yet to change their key.
pub const DEFAULT_GRACE_PERIOD: Duration = Duration::from_secs(86_400);

/// How long a key to be issued shall work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Unlimited,
    For(Duration),
    Until(Timestamp),
}

impl Lifetime {
    /// The end as the record will keep it, so that it is judged as such.
    pub(super) fn end(self, now: Timestamp) -> Result<Option<Timestamp>, ManageError> {
        let end = match self {
            Self::Unlimited => return Ok(None),
            Self::Until(end) => end,
            Self::For(lifetime) => later(now, lifetime).ok_or_else(|| {
                invalid(format!(
                    "expected a lifetime that ends before the year 10000, found {lifetime:?}"
                ))
            })?,
        };
        Ok(Some(Moment::floor(end).timestamp()))
    }
}

pub(super) fn earlier(now: Timestamp, by: Duration) -> Option<Timestamp> {
    let by = SignedDuration::try_from(by).ok()?;
    now.checked_sub(by).ok()
}

pub(super) fn later(now: Timestamp, by: Duration) -> Option<Timestamp> {
    let by = SignedDuration::try_from(by).ok()?;
    now.checked_add(by).ok()
}
