//! Why a key could not be managed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::key::random::RandomnessError;
use crate::store::error::{StoreError, StoreErrorKind};

/// A key could not be issued or changed; nothing was, unless the kind is
/// [`Store`](ManageErrorKind::Store) and the store timed out.
#[derive(Debug)]
pub struct ManageError {
    kind: ManageErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of failure in managing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManageErrorKind {
    /// An owner, name, reason, scope set or date is out of its bounds.
    InvalidInput,
    /// The key does not exist.
    NotFound,
    /// The key's state does not allow it: it is revoked, has expired, or has too many secrets.
    Refused,
    /// A key may not make a key with what it asked for.
    Exceeds,
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
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(ManageErrorKind::NotFound, "no such key")
    }

    /// The kind of failure.
    pub fn kind(&self) -> ManageErrorKind {
        self.kind
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

impl From<StoreError> for ManageError {
    fn from(source: StoreError) -> Self {
        match source.kind() {
            StoreErrorKind::NotFound => Self::not_found(),
            StoreErrorKind::Refused(why) => Self::new(ManageErrorKind::Refused, why.to_string()),
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
