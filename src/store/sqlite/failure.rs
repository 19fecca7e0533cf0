//! What SQLite fails with, as errors of a store.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::record::change::ChangeRefused;
use crate::store::error::{StoreError, StoreErrorKind};

/// Why a piece of work on a connection failed; [`at`](Self::at) adds which file it was.
pub(crate) enum Fault {
    /// SQLite says no.
    Sqlite(Error),
    /// A row is no record: what was expected and found, and where.
    Corrupt(String),
    /// The error of a store already.
    Store(StoreError),
}

impl Fault {
    /// Whether another connection holds a lock that is needed.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_busy(error))
    }

    /// The error for callers, which names the file.
    pub(crate) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sqlite(error) => {
                let (kind, message) = describe(&error, path);
                StoreError::new(kind, message).with_source(error)
            }
            Self::Corrupt(what) => {
                let message = format!("{what}, in the database {}", path.display());
                StoreError::new(StoreErrorKind::Corrupt, message)
            }
            Self::Store(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ChangeRefused> for Fault {
    fn from(refused: ChangeRefused) -> Self {
        Self::Store(refused.into())
    }
}

/// Whether another connection holds a lock that is needed.
pub(crate) fn is_busy(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// The kind and the message; neither SQLite's texts nor this crate's SQL hold values.
fn describe(error: &Error, path: &Path) -> (StoreErrorKind, String) {
    let name = path.display();
    let code = match error {
        Error::SqlInputError { error, .. } => Some(error.code),
        other => other.sqlite_error_code(),
    };
    match code {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => (
            StoreErrorKind::TimedOut,
            format!("expected the lock of the database {name}, found it held by another"),
        ),
        Some(ErrorCode::ReadOnly) => (
            StoreErrorKind::Misconfigured,
            format!("expected a database that can be written, found {name} read-only"),
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            (StoreErrorKind::Misconfigured, cannot_open(path))
        }
        Some(ErrorCode::NotADatabase) => (
            StoreErrorKind::Misconfigured,
            format!("expected an SQLite database, found another kind of file in {name}"),
        ),
        Some(ErrorCode::DiskFull) => (
            StoreErrorKind::Unavailable,
            format!("expected room for a change, found the disk full, of the database {name}"),
        ),
        Some(ErrorCode::SystemIoFailure) => (
            StoreErrorKind::Unavailable,
            format!("expected to read and write the database {name}, found an input/output error"),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            StoreErrorKind::Corrupt,
            format!("expected a sound database, found {name} damaged"),
        ),
        Some(ErrorCode::Unknown) => (
            StoreErrorKind::Misconfigured,
            format!("expected this crate's tables, found others in the database {name}"),
        ),
        _ => (
            StoreErrorKind::Unavailable,
            format!("the database {name} failed"),
        ),
    }
}

pub(super) fn cannot_open(path: &Path) -> String {
    let name = path.display();
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() && !directory.is_dir() => format!(
            "expected the directory {}, found none, of the database {name}",
            directory.display()
        ),
        _ if path.is_dir() => format!("expected a database, found the directory {name}"),
        _ => format!("cannot open the database {name}, or a file that SQLite keeps beside it"),
    }
}
