//! A record as one JSON document.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::KeyId;
use super::key::KeyRecord;
use super::metadata::Metadata;
use super::recipient::Recipient;
use super::revocation::Revocation;
use super::secret::SecretVersion;
use crate::key::digest::KeyDigest;
use crate::key::token::KeyPrefix;
use crate::scope::set::ScopeSet;

/// The version that [`KeyRecord::to_document`] writes.
const VERSION: u32 = 1;

/// A record without its last uses, which stores keep apart.
///
/// A member that is not known might restrict the key, so it is rejected.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    version: u32,
    id: KeyId,
    #[serde(borrow)]
    owner: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    scopes: Cow<'a, ScopeSet>,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_false")]
    disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<RevocationDocument<'a>>,
    #[serde(default, skip_serializing_if = "is_empty")]
    metadata: Cow<'a, Metadata>,
    changes: u32,
    #[serde(borrow)]
    secrets: Vec<SecretDocument<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationDocument<'a> {
    at: Timestamp,
    reason: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretDocument<'a> {
    number: u32,
    #[serde(borrow)]
    digest: Cow<'a, str>,
    prefix: KeyPrefix,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient: Option<RecipientDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipientDocument {
    scopes: ScopeSet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl KeyRecord {
    /// Returns the record as a JSON object, for stores: everything but `last_used_at`, which usage
    /// writes apart. It contains digests, and no plaintext.
    ///
    /// Later versions of this crate read what this one writes.
    ///
    /// ```
    /// use jiff::Timestamp;
    /// use tower_api_key::record::{KeyId, KeyRecord};
    ///
    /// let record = KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", Timestamp::now());
    /// assert_eq!(KeyRecord::from_document(record.to_document().as_bytes())?, record);
    /// # Ok::<(), tower_api_key::record::InvalidDocument>(())
    /// ```
    pub fn to_document(&self) -> String {
        let secrets = self.secret_versions().iter().map(|secret| SecretDocument {
            number: secret.number(),
            digest: hex::encode(secret.digest().as_bytes()).into(),
            prefix: secret.prefix(),
            created_at: secret.created_at(),
            expires_at: secret.retires_at(),
            recipient: secret.recipient().map(|recipient| RecipientDocument {
                scopes: recipient.scopes().clone(),
                expires_at: recipient.expires_at(),
            }),
        });
        let document = Document {
            version: VERSION,
            id: self.id(),
            owner: self.owner().into(),
            name: self.name().into(),
            scopes: Cow::Borrowed(self.scopes()),
            created_at: self.created_at(),
            expires_at: self.expires_at(),
            disabled: self.is_disabled(),
            revoked: self.revocation().map(|revocation| RevocationDocument {
                at: revocation.at(),
                reason: revocation.reason().into(),
            }),
            metadata: Cow::Borrowed(self.metadata()),
            changes: self.changes(),
            secrets: secrets.collect(),
        };
        // OK because strings, numbers, lists and maps of strings can always be written as JSON.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads a record from its document.
    ///
    /// # Errors
    ///
    /// [`InvalidDocument`] when
    /// - the document is not what [`to_document`](Self::to_document) writes, or has a member that it
    ///   does not write;
    /// - a later version of this crate wrote it.
    pub fn from_document(document: &[u8]) -> Result<Self, InvalidDocument> {
        let document: Document<'_> = serde_json::from_slice(document).map_err(|error| {
            // The error of serde may show a part of the document.
            InvalidDocument(Reason::Syntax(error.line(), error.column()))
        })?;
        if document.version != VERSION {
            return Err(InvalidDocument(Reason::Version(document.version)));
        }
        let secrets: Result<Vec<_>, _> = document.secrets.iter().map(secret_of).collect();
        let revocation = document
            .revoked
            .map(|revoked| Revocation::new(revoked.at, revoked.reason));
        Ok(Self::new(
            document.id,
            document.owner,
            document.name,
            document.created_at,
        )
        .with_scopes(document.scopes.into_owned())
        .with_expires_at(document.expires_at)
        .with_disabled(document.disabled)
        .with_revocation(revocation)
        .with_metadata(document.metadata.into_owned())
        .with_changes(document.changes)
        .with_secret_versions(secrets?))
    }

    /// Reads a record from its document in a row with that id and revision.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn from_row(
        document: &[u8],
        id: &KeyId,
        revision: u64,
    ) -> Result<Self, InvalidDocument> {
        let record = Self::from_document(document)?;
        if record.id() != *id {
            return Err(InvalidDocument(Reason::Id));
        }
        if record.revision() != revision {
            return Err(InvalidDocument(Reason::Revision));
        }
        Ok(record)
    }
}

fn secret_of(secret: &SecretDocument<'_>) -> Result<SecretVersion, InvalidDocument> {
    let digest =
        KeyDigest::from_hex(&secret.digest).map_err(|_| InvalidDocument(Reason::Digest))?;
    let recipient = secret
        .recipient
        .as_ref()
        .map(|recipient| Recipient::new(recipient.scopes.clone(), recipient.expires_at));
    Ok(
        SecretVersion::new(secret.number, digest, secret.prefix, secret.created_at)
            .with_retires_at(secret.expires_at)
            .with_recipient(recipient),
    )
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_empty(metadata: &Metadata) -> bool {
    metadata.is_empty()
}

/// A document is not that of a record. The message contains nothing of the document but its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDocument(Reason);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Syntax(usize, usize),
    Version(u32),
    Digest,
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    Id,
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    Revision,
}

impl fmt::Display for InvalidDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reason::Syntax(line, column) => {
                write!(
                    f,
                    "the key document is invalid at line {line} column {column}"
                )
            }
            Reason::Version(version) => write!(
                f,
                "the key document has version {version}, written by another version of this crate"
            ),
            Reason::Digest => f.write_str("the key document has a digest that is not SHA-256"),
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Reason::Id => f.write_str("the key document is that of another key"),
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Reason::Revision => f.write_str("the key document has another revision than its row"),
        }
    }
}

impl Error for InvalidDocument {}
