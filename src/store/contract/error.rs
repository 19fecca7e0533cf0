//! What goes wrong in a store.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A store could not do what it was asked.
///
/// A key that does not exist is no error for [`KeyStore::find`](super::key_store::KeyStore::find).
/// Whatever error a look-up returns, the request is refused with 503.
///
/// Implementers: the message and the source reach logs, so keep credentials, keys and digests out
/// of them.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Cow<'static, str>,
    /// Shared, so that all who wait for one look-up get the same error.
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kinds of failure of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached or does not work.
    Unavailable,
    /// No answer came within the deadline. A change may have been made all the same.
    TimedOut,
    /// Too many calls are under way or waiting.
    Overloaded,
    /// The store was reached but cannot be used as configured: the address, the credentials, or
    /// the version of its tables.
    Misconfigured,
    /// The store holds something that is not a key record.
    Corrupt,
    /// The key to be changed does not exist.
    NotFound,
    /// A key with that id or digest exists already.
    AlreadyExists,
    /// The key, or the key on whose behalf it is changed, has changed in between.
    Conflict,
    /// The owner has as many keys as allowed.
    TooManyKeys,
}

impl StoreError {
    /// A failure of that kind; the message says what was expected and found, in lower case.
    pub fn new(kind: StoreErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(Arc::from(source.into())),
            ..self
        }
    }

    /// The error of a new key whose id or digest is in the store already.
    pub fn already_exists(what: &str) -> Self {
        let message = format!("a key with this {what} already exists");
        Self::new(StoreErrorKind::AlreadyExists, message)
    }

    /// The error of a change of a key that does not exist.
    pub fn not_found() -> Self {
        Self::new(StoreErrorKind::NotFound, "no key has this id")
    }

    /// The error of a change of a key that has another revision than expected, or on behalf of one.
    pub fn conflict() -> Self {
        let message = "the key has changed in between";
        Self::new(StoreErrorKind::Conflict, message)
    }

    /// The error of a new key of an owner who has as many as allowed.
    pub fn too_many_keys(max: u64) -> Self {
        let message = format!("the owner already has {max} keys, the most allowed");
        Self::new(StoreErrorKind::TooManyKeys, message)
    }

    /// The kind of failure.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}
