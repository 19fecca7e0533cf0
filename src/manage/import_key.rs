//! A key of an older system.

use jiff::Timestamp;

use super::error::ManageError;
use super::limits::{check_metadata, check_name, check_owner, check_reason, check_scopes, invalid};
use crate::key::digest::{InvalidDigest, KeyDigest};
use crate::key::formats::KeyFormats;
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
/// A digest does not tell the shape of its key. So say what clients send: the
/// [format](Self::with_format) of the key, its [leading characters](Self::with_leading), or both. A
/// key that says neither is rejected.
///
/// What cannot be imported is in the import's report, and no error here, so that one bad row of a
/// table does not end the import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyKey {
    owner: Box<str>,
    name: Box<str>,
    digest: Result<KeyDigest, InvalidDigest>,
    format: Option<Box<str>>,
    leading: Option<Box<str>>,
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
    /// let key = LegacyKey::from_hex("acct_42", "CI", digest).with_format("tc_");
    /// ```
    pub fn from_hex(owner: impl Into<Box<str>>, name: impl Into<Box<str>>, digest: &str) -> Self {
        Self::with_digest(owner.into(), name.into(), KeyDigest::from_hex(digest))
    }

    /// Names the format of the key by the text in front of its hex characters, such as `tc_`. Defaults
    /// to none.
    ///
    /// The key is rejected unless the manager has this [format](super::manager::KeyManager::with_formats).
    #[must_use]
    pub fn with_format(self, name: impl Into<Box<str>>) -> Self {
        Self {
            format: Some(name.into()),
            ..self
        }
    }

    /// Gives the characters that the key starts with, as many as the older system kept. Defaults to
    /// none.
    ///
    /// The key is rejected when no key of the manager's [formats](super::manager::KeyManager::with_formats)
    /// starts so. With the 8 hex characters that a dashboard shows, such as `tc_89abcdef`, the record
    /// has them; without, it has [`KeyPrefix::UNKNOWN`].
    ///
    /// ```
    /// use tower_api_key::manage::LegacyKey;
    ///
    /// # let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    /// let key = LegacyKey::from_hex("acct_42", "CI", digest).with_leading("tc_89abcdef");
    /// ```
    #[must_use]
    pub fn with_leading(self, characters: impl Into<Box<str>>) -> Self {
        Self {
            leading: Some(characters.into()),
            ..self
        }
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
            format: None,
            leading: None,
            scopes: Ok(ScopeSet::new()),
            created_at: None,
            expires_at: None,
            disabled: false,
            revocation: None,
            metadata: Metadata::new(),
        }
    }

    /// The record of the key, if it can be imported.
    pub(super) fn into_record(
        self,
        now: Timestamp,
        formats: &KeyFormats,
    ) -> Result<KeyRecord, ManageError> {
        check_owner(&self.owner, formats)?;
        check_name(&self.name, formats)?;
        let digest = self.digest.map_err(|error| invalid(error.to_string()))?;
        let prefix = display_prefix(self.format.as_deref(), self.leading.as_deref(), formats)?;
        let scopes = self.scopes.map_err(|error| invalid(error.to_string()))?;
        check_scopes(&scopes, formats)?;
        check_metadata(&self.metadata, formats)?;
        if let Some(revocation) = &self.revocation {
            check_reason(revocation.reason(), formats)?;
        }
        let created_at = self.created_at.unwrap_or(now);
        let version = SecretVersion::new(1, digest, prefix, created_at);
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

/// What is shown of a key of that format that starts so. The errors repeat neither: either may be a key
/// by mistake.
fn display_prefix(
    format: Option<&str>,
    leading: Option<&str>,
    formats: &KeyFormats,
) -> Result<KeyPrefix, ManageError> {
    let named;
    let candidates = match format {
        Some(name) => {
            let message = || format!("the format is not configured; expected one of {formats}");
            named = formats.named(name).ok_or_else(|| invalid(message()))?;
            &named
        }
        None => formats,
    };
    let Some(leading) = leading else {
        let message = "neither a format nor the leading characters of the key are given";
        let shown = format.map(|_| KeyPrefix::UNKNOWN);
        return shown.ok_or_else(|| invalid(message.to_owned()));
    };
    if formats.have_key_in(leading) {
        let message = "the leading characters look like an API key";
        return Err(invalid(message.to_owned()));
    }
    let mut formats = candidates.iter();
    let shown = formats.find_map(|format| format.display_prefix(leading));
    let message = || format!("no key of the format {candidates} starts with the given characters");
    shown.ok_or_else(|| invalid(message()))
}
