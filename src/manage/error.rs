//! Why a key could not be managed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::key::random::RandomnessError;
use crate::record::change::ChangeRefused;
use crate::record::id::KeyId;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// A key could not be issued or changed; nothing was, unless the kind is
/// [`Store`](ManageErrorKind::Store) and the store timed out.
#[derive(Debug)]
pub struct ManageError {
    kind: ManageErrorKind,
    key_id: Option<KeyId>,
    /// What of a key it is about, if it is one thing.
    field: Option<&'static str>,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of failure in managing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManageErrorKind {
    /// An owner, name, actor, reason, scope set, metadata or date is out of its bounds, or one of them
    /// looks like an API key.
    InvalidInput,
    /// The key does not exist.
    NotFound,
    /// The key's state does not allow it: it is revoked, has expired, or has too many secrets.
    Refused,
    /// The key has changed since the revision that was expected.
    RevisionMismatch,
    /// The owner has as many keys as are allowed.
    TooManyKeys,
    /// A key was issued with the same idempotency key; [`key_id`](ManageError::key_id) is its id.
    AlreadyIssued,
    /// A key may not make a key with what it asked for, nor give a key that.
    Exceeds,
    /// The [policy](super::policy::IssuePolicy) does not allow it.
    OutsidePolicy,
    /// The clock reads before 1970: it was never set, and no end can be judged by it.
    ClockUnset,
    /// The operating system's random source failed.
    Randomness,
    /// The store failed.
    Store,
}

impl ManageError {
    pub(super) fn new(kind: ManageErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            key_id: None,
            field: None,
            message: message.into(),
            source: None,
        }
    }

    /// The same about one thing of a key, such as `scopes`.
    pub(super) fn about(self, field: &'static str) -> Self {
        Self {
            field: Some(field),
            ..self
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(ManageErrorKind::NotFound, "no such key")
    }

    pub(super) fn revision_mismatch() -> Self {
        let message = "the key has another revision than expected";
        Self::new(ManageErrorKind::RevisionMismatch, message)
    }

    pub(super) fn already_issued(id: KeyId) -> Self {
        let message = format!("expected a new idempotency key, found that of {id}");
        let error = Self::new(ManageErrorKind::AlreadyIssued, message);
        Self {
            key_id: Some(id),
            ..error
        }
    }

    /// The kind of failure.
    pub fn kind(&self) -> ManageErrorKind {
        self.kind
    }

    /// The field that it is about, if it is about one: `name`, `scopes`, `expires_at` or `metadata` of
    /// a key; or `owner`, `actor` or `reason`, where it looks like an API key.
    ///
    /// ```
    /// use tower_api_key::{KeyManager, MemoryStore, NewKey};
    ///
    /// # futures::executor::block_on(async {
    /// let keys = KeyManager::new(MemoryStore::new());
    /// let error = keys.issue(NewKey::new("acct_42", "")).await.unwrap_err();
    /// assert_eq!(error.field(), Some("name"));
    /// # });
    /// ```
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// The key that was issued before, if the kind is
    /// [`AlreadyIssued`](ManageErrorKind::AlreadyIssued).
    pub fn key_id(&self) -> Option<KeyId> {
        self.key_id
    }
}

impl fmt::Display for ManageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ManageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}

impl From<RandomnessError> for ManageError {
    fn from(source: RandomnessError) -> Self {
        let error = Self::new(ManageErrorKind::Randomness, "no key could be generated");
        Self {
            source: Some(Box::new(source)),
            ..error
        }
    }
}

impl From<ChangeRefused> for ManageError {
    fn from(refused: ChangeRefused) -> Self {
        Self::new(ManageErrorKind::Refused, refused.to_string())
    }
}

impl From<StoreError> for ManageError {
    fn from(source: StoreError) -> Self {
        match source.kind() {
            StoreErrorKind::NotFound => Self::not_found(),
            StoreErrorKind::Conflict => Self::revision_mismatch(),
            StoreErrorKind::TooManyKeys => {
                Self::new(ManageErrorKind::TooManyKeys, source.to_string())
            }
            _ => {
                let error = Self::new(ManageErrorKind::Store, "the store of keys failed");
                Self {
                    source: Some(Box::new(source)),
                    ..error
                }
            }
        }
    }
}
