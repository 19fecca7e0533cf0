//! What became of an import.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use super::error::{ManageError, ManageErrorKind};
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// What became of the keys of an import.
#[derive(Debug, Default)]
#[must_use]
pub struct ImportReport {
    imported: usize,
    refused: Vec<ImportRefusal>,
    stopped_before: Option<usize>,
}

impl ImportReport {
    /// How many keys were imported.
    pub fn imported(&self) -> usize {
        self.imported
    }

    /// The keys that were not, in their order: about 50 octets of memory for each, and the store's
    /// error where it failed.
    pub fn refused(&self) -> &[ImportRefusal] {
        &self.refused
    }

    /// The index of the first key that was not tried, if the import stopped because the store
    /// failed.
    pub fn stopped_before(&self) -> Option<usize> {
        self.stopped_before
    }

    /// Whether every key is in the store now, imported by this import or there before.
    pub fn is_complete(&self) -> bool {
        let exists = |refusal: &ImportRefusal| refusal.kind == ImportRefusalKind::AlreadyExists;
        self.stopped_before.is_none() && self.refused.iter().all(exists)
    }

    pub(super) fn count_imported(&mut self) {
        self.imported += 1;
    }

    pub(super) fn refuse(&mut self, refusal: ImportRefusal) {
        self.refused.push(refusal);
    }

    pub(super) fn stop_before(&mut self, index: usize) {
        self.stopped_before = Some(index);
    }

    pub(super) fn in_order(mut self) -> Self {
        self.refused.sort_by_key(ImportRefusal::index);
        self
    }
}

/// Why one key was not imported.
#[derive(Debug)]
pub struct ImportRefusal {
    index: usize,
    kind: ImportRefusalKind,
    message: Cow<'static, str>,
    source: Option<Box<StoreError>>,
}

/// The kinds of reasons for which a key is not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImportRefusalKind {
    /// An owner, name, digest, scope or reason is out of its bounds, one of them looks like an API key,
    /// or the key is of no format that the manager has.
    InvalidInput,
    /// The store has the digest already, from an earlier import or an earlier key of this one.
    AlreadyExists,
    /// The operating system's random source failed, so that the key has no id.
    Randomness,
    /// The store failed. The key may be there all the same: import it again.
    Store,
}

impl ImportRefusal {
    pub(super) fn of_key(index: usize, error: &ManageError) -> Self {
        let kind = match error.kind() {
            ManageErrorKind::Randomness => ImportRefusalKind::Randomness,
            _ => ImportRefusalKind::InvalidInput,
        };
        Self {
            index,
            kind,
            message: error.to_string().into(),
            source: None,
        }
    }

    pub(super) fn of_store(index: usize, error: StoreError) -> Self {
        if error.kind() == StoreErrorKind::AlreadyExists {
            return Self {
                index,
                kind: ImportRefusalKind::AlreadyExists,
                message: "expected a new digest, found it in the store".into(),
                // It tells no more, and an import that is run again has many.
                source: None,
            };
        }
        Self {
            index,
            kind: ImportRefusalKind::Store,
            message: "the store of keys failed".into(),
            source: Some(Box::new(error)),
        }
    }

    /// The position of the key among those that were to be imported, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The kind of reason.
    pub fn kind(&self) -> ImportRefusalKind {
        self.kind
    }
}

impl fmt::Display for ImportRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.index, self.message)
    }
}

impl Error for ImportRefusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}
