//! Whether a record lets a key in.

use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;

/// Judges the record that a store returned for a digest.
///
/// The digest is compared first, in constant time; only whoever holds the key gets further. The
/// clock is read only when the key or its secret has an end.
#[inline]
pub(crate) fn judge(
    record: Option<Arc<KeyRecord>>,
    digest: &KeyDigest,
    clock: &dyn Clock,
) -> Result<Identity, Denial> {
    let record = record.ok_or_else(|| Denial::new(DenialKind::Unknown))?;
    let versions = record.secret_versions();
    let version = versions
        .iter()
        .position(|version| version.digest() == digest)
        // The store returned another key's record.
        .ok_or_else(|| Denial::new(DenialKind::Unknown))?;

    let presented = &versions[version];
    match standing(&record, presented, clock) {
        Ok(()) => Ok(Identity::new(record, version)),
        Err(kind) => Err(Denial::new(kind).of_key(record.id(), presented.number())),
    }
}

#[inline]
fn standing(
    record: &KeyRecord,
    secret: &SecretVersion,
    clock: &dyn Clock,
) -> Result<(), DenialKind> {
    if record.revocation().is_some() {
        return Err(DenialKind::Revoked);
    }
    if record.is_disabled() {
        return Err(DenialKind::Disabled);
    }
    let (expires_at, retires_at) = (record.expires_at(), secret.retires_at());
    if expires_at.is_none() && retires_at.is_none() {
        return Ok(());
    }
    let now = clock.now();
    if now < Timestamp::UNIX_EPOCH {
        return Err(DenialKind::ClockUnset);
    }
    if expires_at.is_some_and(|at| now >= at) {
        return Err(DenialKind::Expired);
    }
    if retires_at.is_some_and(|at| now >= at) {
        return Err(DenialKind::Superseded);
    }
    Ok(())
}
