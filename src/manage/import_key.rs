//! A key of an older system.

use jiff::Timestamp;

use super::error::ManageError;
use super::limits::{check_metadata, check_name, check_reason, check_scopes, check_text, invalid};
use crate::key::digest::{InvalidDigest, KeyDigest};
use crate::key::token::KeyPrefix;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::scope::name::{InvalidScope, Scope};
use crate::scope::set::ScopeSet;

/// A key of an older system that kept SHA-256 digests, for
/// [`KeyManager::import`](super::manager::KeyManager::import).
///
/// Whatever of it cannot be imported is told in the import's report, not here, so that one bad row
/// of a table does not end the import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyKey {
    owner: Box<str>,
    name: Box<str>,
    digest: Result<KeyDigest, InvalidDigest>,
    prefix: KeyPrefix,
    scopes: Result<ScopeSet, InvalidScope>,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    disabled: bool,
    revocation: Option<Revocation>,
    metadata: Metadata,
}

impl LegacyKey {
    /// A key of that owner with that name and the SHA-256 digest of its whole text, as clients
    /// send it.
    ///
    /// Owner and name have the bounds of a [`NewKey`](super::new_key::NewKey)'s.
    pub fn new(owner: impl Into<Box<str>>, name: impl Into<Box<str>>, digest: KeyDigest) -> Self {
        Self::with_digest(owner.into(), name.into(), Ok(digest))
    }

    /// The same with a digest of 64 hexadecimal digits of either case.
    ///
    /// ```
    /// use tower_api_key::manage::LegacyKey;
    ///
    /// // printf %s "$KEY" | sha256sum
    /// let digest = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08";
    /// let key = LegacyKey::from_hex("acct_42", "CI", digest);
    /// ```
    pub fn from_hex(owner: impl Into<Box<str>>, name: impl Into<Box<str>>, digest: &str) -> Self {
        Self::with_digest(owner.into(), name.into(), KeyDigest::from_hex(digest))
    }

    /// Shows these digits of the key. Default: [`KeyPrefix::UNKNOWN`].
    #[must_use]
    pub fn with_prefix(self, prefix: KeyPrefix) -> Self {
        Self { prefix, ..self }
    }

    /// Gives the key these scopes, in place of any before. Default: none.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: Ok(scopes.into()),
            ..self
        }
    }

    /// Gives the key the scopes of these names, in place of any before. Default: none.
    ///
    /// A key with a name that is no [`Scope`] is not imported.
    #[must_use]
    pub fn with_scope_names<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let scopes = names
            .into_iter()
            .map(Scope::new)
            .collect::<Result<Vec<_>, _>>();
        Self {
            scopes: scopes.map(ScopeSet::from),
            ..self
        }
    }

    /// Tells when the key was made. Default: when it is imported.
    #[must_use]
    pub fn with_created_at(self, created_at: Timestamp) -> Self {
        Self {
            created_at: Some(created_at),
            ..self
        }
    }

    /// Lets the key expire at this time, or never. Default: never.
    ///
    /// It may be in the past: the key is imported and stays expired.
    #[must_use]
    pub fn with_expires_at(self, expires_at: Option<Timestamp>) -> Self {
        Self { expires_at, ..self }
    }

    /// Imports the key disabled, or not. Default: not.
    #[must_use]
    pub fn with_disabled(self, disabled: bool) -> Self {
        Self { disabled, ..self }
    }

    /// Imports the key revoked, or not. Default: not.
    #[must_use]
    pub fn with_revocation(self, revocation: Option<Revocation>) -> Self {
        Self { revocation, ..self }
    }

    /// Gives the key this metadata, in the bounds of a
    /// [`NewKey`](super::new_key::NewKey::with_metadata)'s. Default: none.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    fn with_digest(
        owner: Box<str>,
        name: Box<str>,
        digest: Result<KeyDigest, InvalidDigest>,
    ) -> Self {
        Self {
            owner,
            name,
            digest,
            prefix: KeyPrefix::UNKNOWN,
            scopes: Ok(ScopeSet::new()),
            created_at: None,
            expires_at: None,
            disabled: false,
            revocation: None,
            metadata: Metadata::new(),
        }
    }

    /// The record of the key, if it can be imported.
    pub(super) fn into_record(self, now: Timestamp) -> Result<KeyRecord, ManageError> {
        check_text("an owner", &self.owner)?;
        check_name(&self.name)?;
        let digest = self.digest.map_err(|error| invalid(error.to_string()))?;
        let scopes = self.scopes.map_err(|error| invalid(error.to_string()))?;
        check_scopes(&scopes)?;
        check_metadata(&self.metadata)?;
        if let Some(revocation) = &self.revocation {
            check_reason(revocation.reason())?;
        }
        let created_at = self.created_at.unwrap_or(now);
        let version = SecretVersion::new(1, digest, self.prefix, created_at);
        let id = KeyId::generate(created_at)?;
        Ok(KeyRecord::new(id, self.owner, self.name, created_at)
            .with_scopes(scopes)
            .with_expires_at(self.expires_at)
            .with_disabled(self.disabled)
            .with_revocation(self.revocation)
            .with_metadata(self.metadata)
            .with_secret_versions([version]))
    }
}
