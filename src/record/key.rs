//! The record of one key.

use jiff::Timestamp;

use super::id::KeyId;
use super::moment::Moment;
use super::revocation::Revocation;
use super::secret::SecretVersion;
use super::status::KeyStatus;
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
    pub(super) owner: Box<str>,
    pub(super) name: Box<str>,
    pub(super) scopes: ScopeSet,
    pub(super) created_at: Moment,
    pub(super) expires_at: Option<Moment>,
    pub(super) disabled: bool,
    pub(super) revocation: Option<Box<Revocation>>,
    /// Newest first.
    pub(super) versions: Box<[SecretVersion]>,
}

impl KeyRecord {
    /// A record without scopes, expiration date or secret: it permits nothing yet.
    pub fn new(
        id: KeyId,
        owner: impl Into<Box<str>>,
        name: impl Into<Box<str>>,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            owner: owner.into(),
            name: name.into(),
            scopes: ScopeSet::new(),
            created_at: Moment::floor(created_at),
            expires_at: None,
            disabled: false,
            revocation: None,
            versions: Box::default(),
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
        Self { disabled, ..self }
    }

    /// The record revoked, or not.
    #[must_use]
    pub fn with_revocation(self, revocation: Option<Revocation>) -> Self {
        Self {
            revocation: revocation.map(Box::new),
            ..self
        }
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

    /// The account that the key belongs to.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// What the owner calls the key.
    pub fn name(&self) -> &str {
        &self.name
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
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at.map(Moment::timestamp)
    }

    /// Whether the key is disabled.
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// When and why the key was revoked, if it was.
    pub fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_deref()
    }

    /// The key's secret versions, newest first.
    pub fn secret_versions(&self) -> &[SecretVersion] {
        &self.versions
    }

    /// The version with this digest; each comparison takes constant time.
    pub fn secret_version(&self, digest: &KeyDigest) -> Option<&SecretVersion> {
        self.versions
            .iter()
            .find(|version| version.digest() == digest)
    }

    /// When the key was last used, with whichever secret, as far as the store was told.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.versions
            .iter()
            .filter_map(SecretVersion::last_used_at)
            .max()
    }

    /// Whether the key works at `now`.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revocation.is_some() {
            KeyStatus::Revoked
        } else if self.disabled {
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
        if let Some(used) = self.versions.iter_mut().find(|one| one.number() == version) {
            used.note_use(used_at);
        }
        self
    }
}
