//! Whether a record lets a key in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::clock::Clock;
use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;

/// Judges the record that a store returned for a digest.
///
/// The digest is compared first, in constant time; only whoever holds the key gets further. The
/// clock is read only when the key or its secret has an end.
#[inline]
pub(crate) fn judge(
    record: Option<Arc<KeyRecord>>,
    digest: &KeyDigest,
    clock: &dyn Clock,
    ends: &EnforcedEnds,
) -> Result<Identity, Denial> {
    let record = record.ok_or_else(|| Denial::new(DenialKind::Unknown))?;
    let versions = record.secret_versions();
    let version = versions
        .iter()
        .position(|version| version.digest() == digest)
        // The store returned another key's record.
        .ok_or_else(|| Denial::new(DenialKind::Unknown))?;

    let retires_at = versions[version].retires_at();
    match standing(&record, retires_at, clock, ends) {
        Ok(()) => Ok(Identity::new(record, version)),
        Err(kind) => Err(Denial::new(kind).of_key(record.id())),
    }
}

#[inline]
fn standing(
    record: &KeyRecord,
    retires_at: Option<Timestamp>,
    clock: &dyn Clock,
    ends: &EnforcedEnds,
) -> Result<(), DenialKind> {
    if record.revocation().is_some() {
        return Err(DenialKind::Revoked);
    }
    if record.is_disabled() {
        return Err(DenialKind::Disabled);
    }
    let expires_at = record.expires_at();
    if expires_at.is_none() && retires_at.is_none() {
        return Ok(());
    }
    let now = clock.now();
    if now < Timestamp::UNIX_EPOCH {
        return Err(DenialKind::ClockUnset);
    }
    if expires_at.is_some_and(|end| ends.has_come(end, now)) {
        return Err(DenialKind::Expired);
    }
    if retires_at.is_some_and(|end| ends.has_come(end, now)) {
        return Err(DenialKind::Superseded);
    }
    Ok(())
}

/// Remembers the latest end that was enforced, so that a clock which steps back revives no key.
///
/// It remembers ends and not the time itself: after a clock that ran ahead by mistake is set
/// right, only keys with ends up to one that was enforced stay refused.
#[derive(Debug)]
pub(crate) struct EnforcedEnds {
    latest_microsecond: AtomicI64,
}

impl EnforcedEnds {
    pub(crate) const fn new() -> Self {
        Self {
            latest_microsecond: AtomicI64::new(i64::MIN),
        }
    }

    fn has_come(&self, end: Timestamp, now: Timestamp) -> bool {
        // Exact, since records keep times to the microsecond.
        let microsecond = end.as_microsecond();
        if now >= end {
            // Read before writing: an expired key that is sent again and again writes once.
            if self.latest_microsecond.load(Ordering::Relaxed) < microsecond {
                self.latest_microsecond
                    .fetch_max(microsecond, Ordering::Relaxed);
            }
            return true;
        }
        microsecond <= self.latest_microsecond.load(Ordering::Relaxed)
    }
}
