//! One step in the life of a key.

use std::error::Error;
use std::fmt;

use jiff::Timestamp;

use super::key::KeyRecord;
use super::moment::Moment;
use super::revocation::Revocation;
use super::secret::SecretVersion;
use super::update::KeyUpdate;
use crate::key::digest::KeyDigest;
use crate::key::token::KeyPrefix;

/// One narrow step in the life of a key.
///
/// [`applied_to`](Self::applied_to) says what each does, so that it is the same in every store; a
/// store runs it, or its equal, in one atomic step. Its times take effect to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyChange {
    /// Changes name, scopes, expiration date, metadata, or whether the key is disabled.
    Update(KeyUpdate),
    /// Refuses the key until it is enabled.
    Disable,
    /// Ends a [`Disable`](Self::Disable).
    Enable,
    /// Refuses the key for ever. A second revocation changes nothing: the first reason stays.
    Revoke(Revocation),
    /// Adds a secret version and gives the others an end.
    Rotate {
        /// The digest of the new plaintext.
        digest: KeyDigest,
        /// The part of the new plaintext that may be shown.
        prefix: KeyPrefix,
        /// When the new plaintext was made.
        at: Timestamp,
        /// When the other secrets expire, if they do not expire earlier.
        others_retire_at: Timestamp,
    },
    /// Removes the key from the store.
    Delete,
}

impl KeyChange {
    /// How many secret versions of a key a store keeps.
    ///
    /// A rotation drops the oldest of those that have retired, and is refused when that does not
    /// make room.
    pub const MAX_SECRET_VERSIONS: usize = 8;

    /// The record after this change; `None` when the key is deleted.
    ///
    /// It has a higher [`revision`](KeyRecord::revision), unless the change leaves it as it is, such
    /// as a second revocation, or an update to the name that it has: then the record that is returned
    /// is equal, and a store writes nothing.
    ///
    /// # Errors
    ///
    /// [`ChangeRefused`] when
    /// - the key is revoked, and the change is not `Revoke` or `Delete`;
    /// - the change is `Rotate`, and [`MAX_SECRET_VERSIONS`](Self::MAX_SECRET_VERSIONS) would still
    ///   work beside the new one.
    pub fn applied_to(&self, record: &KeyRecord) -> Result<Option<KeyRecord>, ChangeRefused> {
        if record.revocation().is_some() && !matches!(self, Self::Revoke(_) | Self::Delete) {
            return Err(ChangeRefused::Revoked);
        }
        let before = record;
        let mut record = before.clone();
        match self {
            Self::Update(update) => record = updated(record, update),
            Self::Disable => record = record.with_disabled(true),
            Self::Enable => record = record.with_disabled(false),
            Self::Revoke(_) if record.revocation().is_some() => {}
            Self::Revoke(revocation) => record = record.with_revocation(Some(revocation.clone())),
            Self::Rotate {
                digest,
                prefix,
                at,
                others_retire_at,
            } => {
                let newest = record
                    .secret_versions()
                    .iter()
                    .map(SecretVersion::number)
                    .max();
                let number = newest.unwrap_or(0).saturating_add(1);
                let version = SecretVersion::new(number, *digest, *prefix, *at);
                rotate(&mut record, version, *others_retire_at)?;
            }
            Self::Delete => return Ok(None),
        }
        if record != *before {
            record.changes = record.changes.saturating_add(1);
        }
        Ok(Some(record))
    }
}

fn updated(mut record: KeyRecord, update: &KeyUpdate) -> KeyRecord {
    if let Some(name) = update.name() {
        record.set_name(name);
    }
    if let Some(scopes) = update.scopes() {
        record.scopes = scopes.clone();
    }
    if let Some(expires_at) = update.expires_at() {
        record.expires_at = expires_at.map(Moment::floor);
    }
    if let Some(disabled) = update.disabled() {
        record = record.with_disabled(disabled);
    }
    match update.metadata() {
        Some(metadata) => record.with_metadata(metadata.clone()),
        None => record,
    }
}

fn rotate(
    record: &mut KeyRecord,
    version: SecretVersion,
    others_retire_at: Timestamp,
) -> Result<(), ChangeRefused> {
    let now = version.created_at();
    let mut versions = vec![version];
    for other in record.secret_versions() {
        let mut other = other.clone();
        other.retire(others_retire_at);
        versions.push(other);
    }
    while versions.len() > KeyChange::MAX_SECRET_VERSIONS {
        let retired = |version: &SecretVersion| version.retires_at().is_some_and(|end| now >= end);
        let oldest = versions
            .iter()
            .rposition(retired)
            .ok_or(ChangeRefused::TooManyVersions)?;
        versions.remove(oldest);
    }
    record.versions = versions.into();
    Ok(())
}

/// Why the state of a key does not allow a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeRefused {
    /// The key is revoked, which is never undone.
    Revoked,
    /// Too many secret versions of the key still work.
    TooManyVersions,
}

impl fmt::Display for ChangeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked => f.write_str("the key is revoked, which is never undone"),
            Self::TooManyVersions => write!(
                f,
                "{} secret versions of the key still work; expected fewer before a rotation",
                KeyChange::MAX_SECRET_VERSIONS
            ),
        }
    }
}

impl Error for ChangeRefused {}
