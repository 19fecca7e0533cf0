//! What a key to be issued shall be.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::lifetime::Lifetime;
use crate::record::metadata::Metadata;
use crate::scope::set::ScopeSet;

/// What a key to be issued shall be: its owner, name, scopes, end and metadata.
///
/// Without scopes it permits nothing that needs one; without an end it never expires. The end is
/// kept to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub(super) owner: Box<str>,
    pub(super) name: Box<str>,
    pub(super) scopes: ScopeSet,
    pub(super) lifetime: Lifetime,
    pub(super) metadata: Metadata,
    pub(super) max_keys_of_owner: Option<u64>,
    pub(super) idempotency_key: Option<[u8; 32]>,
}

impl NewKey {
    /// A key of that owner with that name, without scopes and without an end.
    ///
    /// The owner is 1 to 256 octets and the name 1 to 256 octets, both without control characters;
    /// [`KeyManager::issue`](super::manager::KeyManager::issue) refuses others.
    pub fn new(owner: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self {
            owner: owner.into(),
            name: name.into(),
            scopes: ScopeSet::new(),
            lifetime: Lifetime::Unlimited,
            metadata: Metadata::new(),
            max_keys_of_owner: None,
            idempotency_key: None,
        }
    }

    /// Gives the key these scopes, in place of any before. Default: none.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: scopes.into(),
            ..self
        }
    }

    /// Lets the key expire this long after it is issued. Default: never.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self {
            lifetime: Lifetime::For(lifetime),
            ..self
        }
    }

    /// Lets the key expire at this time. Default: never.
    #[must_use]
    pub fn expires_at(self, end: Timestamp) -> Self {
        Self {
            lifetime: Lifetime::Until(end),
            ..self
        }
    }

    /// Gives the key this metadata, in place of any before. Default: none.
    ///
    /// At most 16 entries, with names of 1 to 64 octets and values of at most 256, all without
    /// control characters.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Issues the key only if its owner has fewer than that many that are not revoked; expired and
    /// disabled ones count. Default: however many there are.
    ///
    /// The store counts in the same step, so that keys issued at the same time cannot exceed it.
    #[must_use]
    pub fn with_max_keys_of_owner(self, count: u64) -> Self {
        Self {
            max_keys_of_owner: Some(count),
            ..self
        }
    }

    /// Issues the key only if none was issued for its owner with these octets, such as what a
    /// client sent as `Idempotency-Key`. Default: issues it.
    ///
    /// So a client whose answer was lost can ask again, and is told the id of its key, which it may
    /// rotate. The store keeps a SHA-256 digest, for as long as the entry of the audit trail, or
    /// until the key is deleted.
    #[must_use]
    pub fn with_idempotency_key(self, key: impl AsRef<[u8]>) -> Self {
        // Two digests, so that the owner's end is not moved into the key.
        let digest = Sha256::new()
            .chain_update(Sha256::digest(self.owner.as_bytes()))
            .chain_update(Sha256::digest(key))
            .finalize();
        Self {
            idempotency_key: Some(digest.into()),
            ..self
        }
    }
}
