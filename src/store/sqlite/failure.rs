//! What SQLite fails with, as errors of a store.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::record::document::InvalidDocument;
use crate::record::id::KeyId;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Why a piece of work on a connection failed; [`at`](Self::at) adds which file it was.
pub(crate) enum Fault {
    /// SQLite says no.
    Sqlite(Error),
    /// The document of that key is not that of a record.
    Corrupt(KeyId, InvalidDocument),
    /// What callers are told already.
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
            Self::Corrupt(id, error) => {
                let name = path.display();
                let message = format!("{id} is corrupt in the database {name}: {error}");
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
    if let Error::InvalidColumnType(..)
    | Error::FromSqlConversionFailure(..)
    | Error::IntegralValueOutOfRange(..)
    | Error::Utf8Error(..) = error
    {
        let message = format!("a column of the database {name} has a value that cannot be read");
        return (StoreErrorKind::Corrupt, message);
    }
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
            format!("another connection has locked the database {name}"),
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
            format!("the disk of the database {name} is full"),
        ),
        Some(ErrorCode::SystemIoFailure) => (
            StoreErrorKind::Unavailable,
            format!("an input/output error occurred in the database {name}"),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            StoreErrorKind::Corrupt,
            format!("the database {name} is damaged"),
        ),
        Some(ErrorCode::Unknown) => (
            StoreErrorKind::Misconfigured,
            format!("the database {name} has other tables under the names of this crate's"),
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
