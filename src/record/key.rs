//! The record of one key.

use jiff::Timestamp;

use super::id::KeyId;
use super::metadata::Metadata;
use super::moment::Moment;
use super::rare::Rare;
use super::recipient::Recipient;
use super::revocation::Revocation;
use super::secret::SecretVersion;
use super::status::KeyStatus;
use super::versions::Versions;
use crate::key::digest::KeyDigest;
use crate::scope::set::ScopeSet;

/// What a store keeps of one key.
///
/// A record is a snapshot: a change makes a new one. Stores build it from their rows with
/// [`new`](Self::new) and the `with_*` methods; everyone else gets it from a store. Its times are
/// kept to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    pub(super) id: KeyId,
    /// The owner, and then the name: one allocation for both.
    owner_and_name: Box<str>,
    owner_len: u32,
    pub(super) changes: u32,
    pub(super) scopes: ScopeSet,
    pub(super) created_at: Moment,
    pub(super) expires_at: Option<Moment>,
    /// `None` rather than the default, so that equal records are equal.
    rare: Option<Box<Rare>>,
    pub(super) versions: Versions,
}

impl KeyRecord {
    /// A record without scopes, expiration date or secret: it permits nothing yet.
    ///
    /// # Panics
    ///
    /// When the owner has 4 GiB or more.
    pub fn new(
        id: KeyId,
        owner: impl Into<Box<str>>,
        name: impl Into<Box<str>>,
        created_at: Timestamp,
    ) -> Self {
        let (owner, name) = (owner.into(), name.into());
        Self {
            id,
            owner_and_name: [&*owner, &*name].concat().into(),
            owner_len: u32::try_from(owner.len()).expect("an owner is shorter than 4 GiB"),
            changes: 0,
            scopes: ScopeSet::new(),
            created_at: Moment::floor(created_at),
            expires_at: None,
            rare: None,
            versions: Versions::none(),
        }
    }

    /// The record with these scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: scopes.into(),
            ..self
        }
    }

    /// The record with this expiration date, or none.
    #[must_use]
    pub fn with_expires_at(self, expires_at: Option<Timestamp>) -> Self {
        Self {
            expires_at: expires_at.map(Moment::floor),
            ..self
        }
    }

    /// The record disabled, or not.
    #[must_use]
    pub fn with_disabled(self, disabled: bool) -> Self {
        self.with_rare(|rare| rare.disabled = disabled)
    }

    /// The record revoked, or not.
    #[must_use]
    pub fn with_revocation(self, revocation: Option<Revocation>) -> Self {
        self.with_rare(|rare| rare.revocation = revocation)
    }

    /// The record with this metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        self.with_rare(|rare| rare.metadata = metadata)
    }

    /// The record after that many changes, which tell its [`revision`](Self::revision).
    #[must_use]
    pub fn with_changes(self, changes: u32) -> Self {
        Self { changes, ..self }
    }

    /// The record with these secret versions, in any order.
    #[must_use]
    pub fn with_secret_versions(self, versions: impl IntoIterator<Item = SecretVersion>) -> Self {
        let mut versions: Vec<_> = versions.into_iter().collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number()));
        Self {
            versions: versions.into(),
            ..self
        }
    }

    /// The key's stable public name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The id in its place, for sets of records that are asked by id.
    pub(crate) fn id_ref(&self) -> &KeyId {
        &self.id
    }

    /// The account that the key belongs to.
    pub fn owner(&self) -> &str {
        self.owner_and_name().0
    }

    /// What the owner calls the key.
    pub fn name(&self) -> &str {
        self.owner_and_name().1
    }

    /// What the key may do.
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// When the key was issued.
    pub fn created_at(&self) -> Timestamp {
        self.created_at.timestamp()
    }

    /// From when on the key is refused; `None` means never.
    #[inline]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at.map(Moment::timestamp)
    }

    /// Whether the key is disabled.
    pub fn is_disabled(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.disabled)
    }

    /// When and why the key was revoked, if it was.
    pub fn revocation(&self) -> Option<&Revocation> {
        self.rare.as_ref()?.revocation.as_ref()
    }

    /// What the owner notes down about the key.
    pub fn metadata(&self) -> &Metadata {
        static NONE: Metadata = Metadata::new();
        self.rare.as_ref().map_or(&NONE, |rare| &rare.metadata)
    }

    /// How many changes the key has had. Uses are none.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Which state of the key this is: each [change](super::change::KeyChange) raises it by one,
    /// and uses leave it as it is.
    ///
    /// It starts at the microseconds from 1970 to the key's creation, so that a key which takes the
    /// id of a deleted one does not repeat its revisions.
    pub fn revision(&self) -> u64 {
        let first = self.created_at().as_microsecond().max(0).unsigned_abs();
        first + u64::from(self.changes)
    }

    /// The key's secret versions, newest first.
    #[inline]
    pub fn secret_versions(&self) -> &[SecretVersion] {
        self.versions.as_slice()
    }

    /// The version with this digest; each comparison takes constant time.
    #[inline]
    pub fn secret_version(&self, digest: &KeyDigest) -> Option<&SecretVersion> {
        self.secret_versions()
            .iter()
            .find(|version| version.digest() == digest)
    }

    /// When the key was last used, with whichever secret, as far as the store was told.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.secret_versions()
            .iter()
            .filter_map(SecretVersion::last_used_at)
            .max()
    }

    /// Whether the key works at `now`.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revocation().is_some() {
            KeyStatus::Revoked
        } else if self.is_disabled() {
            KeyStatus::Disabled
        } else if self.expires_at().is_some_and(|end| now >= end) {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        }
    }

    /// The record after a use of one of its versions was noted.
    ///
    /// `last_used_at` only moves forwards, and a version that is gone stays gone.
    #[must_use]
    pub fn with_use_noted(mut self, version: u32, used_at: Timestamp) -> Self {
        let mut versions = self.versions.as_mut_slice().iter_mut();
        if let Some(used) = versions.find(|one| one.number() == version) {
            used.note_use(used_at);
        }
        self
    }

    /// The record with the later last use of each secret that the other record has too.
    pub(crate) fn with_last_uses_of(mut self, other: &Self) -> Self {
        for version in self.versions.as_mut_slice() {
            let same = other.secret_version(version.digest());
            if let Some(at) = same.and_then(SecretVersion::last_used_at) {
                version.note_use(at);
            }
        }
        self
    }

    pub(super) fn set_recipient_of_newest(&mut self, recipient: Option<Recipient>) {
        if let Some(newest) = self.versions.as_mut_slice().first_mut() {
            newest.set_recipient(recipient);
        }
    }

    /// Lets secrets expire where this record is stronger than their recipients were.
    pub(super) fn bound_secrets(&mut self, now: Timestamp) {
        let bounds: Vec<_> = self
            .secret_versions()
            .iter()
            .map(|version| {
                version
                    .recipient()?
                    .bound(self.scopes(), self.expires_at(), now)
            })
            .collect();
        for (version, bound) in self.versions.as_mut_slice().iter_mut().zip(bounds) {
            if let Some(bound) = bound {
                version.retire(bound);
            }
        }
    }

    fn with_rare(mut self, change: impl FnOnce(&mut Rare)) -> Self {
        let mut rare = self.rare.take().unwrap_or_default();
        change(&mut rare);
        if *rare != Rare::default() {
            self.rare = Some(rare);
        }
        self
    }

    pub(super) fn set_name(&mut self, name: &str) {
        self.owner_and_name = [self.owner(), name].concat().into();
    }

    fn owner_and_name(&self) -> (&str, &str) {
        self.owner_and_name.split_at(self.owner_len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_to_its_budget() {
        // With the two counts of an `Arc`, and the eight bytes that glibc adds: 184.
        assert!(size_of::<KeyRecord>() <= 160);
    }
}
