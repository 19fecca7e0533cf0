//! Errors of PostgreSQL, without credentials, digests or values of rows.

use std::error::Error;
use std::fmt;
use std::io;

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::address::Address;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Why a statement has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server or the connection failed.
    Database(tokio_postgres::Error),
    /// Anything else, such as no connection or no tables.
    Store(StoreError),
}

impl Fault {
    /// The server's code for the failure.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Database(error) => error.code(),
            Self::Store(_) => None,
        }
    }

    /// Whether the connection was lost before the answer.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Database(error) => match error.as_db_error() {
                // The server has ended the session, as before it shuts down.
                Some(answer) => matches!(
                    answer.parsed_severity(),
                    Some(Severity::Fatal | Severity::Panic)
                ),
                None => !is_about_data(error),
            },
            Self::Store(_) => false,
        }
    }

    /// Whether the connection is of no more use: its statements are gone or stale, or the server
    /// has become a replica.
    pub(super) fn spoils_connection(&self) -> bool {
        let spoiling = [
            SqlState::INVALID_SQL_STATEMENT_NAME,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ];
        self.is_lost() || self.code().is_some_and(|code| spoiling.contains(code))
    }

    /// Whether the same statement may succeed if it is sent again.
    pub(super) fn is_passing(&self) -> bool {
        let passing = [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ];
        self.code().is_some_and(|code| passing.contains(code))
    }

    /// Whether the server rejects what was to be written.
    fn is_about_the_record(&self) -> bool {
        let too_large = Some(&SqlState::PROGRAM_LIMIT_EXCEEDED);
        self.code() == too_large || matches!(self.class(), "22" | "23")
    }

    fn class(&self) -> &str {
        let code = self.code().map(SqlState::code);
        code.and_then(|code| code.get(..2)).unwrap_or_default()
    }

    /// The error of a call.
    pub(super) fn into_store_error(self, address: &Address) -> StoreError {
        let (kind, fact) = match (self.code().map(SqlState::code), self.class()) {
            (Some("23505"), _) => return self.into_already_exists(),
            (Some("57014"), _) => (StoreErrorKind::TimedOut, "a statement timed out"),
            (Some("42501"), _) => (StoreErrorKind::Misconfigured, "the role lacks privileges"),
            (Some("25006"), _) => (StoreErrorKind::Unavailable, "the server is read-only"),
            (Some("42P01" | "42703" | "3F000"), _) => (
                StoreErrorKind::Misconfigured,
                "the tables do not exist or do not fit; call migrate()",
            ),
            (_, "42") => (StoreErrorKind::Misconfigured, "the tables do not fit"),
            (Some(_), _) if self.is_passing() => (
                StoreErrorKind::Overloaded,
                "changes have blocked each other",
            ),
            (Some(_), _) if self.is_about_the_record() => (
                StoreErrorKind::Corrupt,
                "the database cannot hold a value, such as U+0000 in a string",
            ),
            _ if self.is_lost() => (StoreErrorKind::Unavailable, "the connection was lost"),
            _ => (StoreErrorKind::Unavailable, "a statement failed"),
        };
        match self {
            Self::Store(error) => error,
            Self::Database(error) if is_about_data(&error) => {
                let message = format!("{address}: a row has other columns than expected");
                StoreError::new(StoreErrorKind::Corrupt, message).with_source(error)
            }
            Self::Database(error) => {
                with_cause(StoreError::new(kind, format!("{address}: {fact}")), error)
            }
        }
    }

    /// The error of a key whose id or digest somebody else has added at the same moment.
    fn into_already_exists(self) -> StoreError {
        let table = match &self {
            Self::Database(error) => error.as_db_error().and_then(DbError::table),
            Self::Store(_) => None,
        };
        let is_of_a_secret = table.is_some_and(|table| table.ends_with("secrets"));
        StoreError::already_exists(if is_of_a_secret { "digest" } else { "id" })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// The failure to connect.
pub(super) fn no_connection(address: &Address, error: tokio_postgres::Error) -> StoreError {
    let code = error.code().map(|code| code.code().to_owned());
    let code = code.as_deref().unwrap_or_default();
    let (kind, fact) = match (code, error.to_string().as_str()) {
        ("28P01" | "28000", _) | (_, "authentication error" | "invalid configuration") => (
            StoreErrorKind::Misconfigured,
            "the credentials were rejected",
        ),
        ("3D000", _) => (StoreErrorKind::Misconfigured, "the database does not exist"),
        ("42501", _) => (StoreErrorKind::Misconfigured, "the role lacks privileges"),
        ("53300", _) => (StoreErrorKind::Unavailable, "too many connections"),
        ("57P03", _) => (StoreErrorKind::Unavailable, "the server is not ready"),
        (_, "error performing TLS handshake") if rejects_tls(&error) => (
            StoreErrorKind::Misconfigured,
            "the server has no TLS certificate that is trusted for this host",
        ),
        _ => (StoreErrorKind::Unavailable, "the connection failed"),
    };
    with_cause(StoreError::new(kind, format!("{address}: {fact}")), error)
}

/// Whether a handshake failed for what the peer said, and not for the connection.
fn rejects_tls(error: &tokio_postgres::Error) -> bool {
    let input_output = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    input_output.is_none_or(|error| {
        error
            .get_ref()
            .is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
    })
}

/// Whether a row was not what its columns should hold.
fn is_about_data(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    text.starts_with("error deserializing") || text.starts_with("invalid column")
}

/// What the server said, without the details: they hold the values of rows.
fn with_cause(error: StoreError, cause: tokio_postgres::Error) -> StoreError {
    let answer = cause.as_db_error().map(|answer| Answer {
        code: answer.code().code().to_owned(),
        message: answer.message().to_owned(),
    });
    match answer {
        Some(answer) => error.with_source(answer),
        None => error.with_source(cause),
    }
}

/// An error that the server answered.
#[derive(Debug)]
struct Answer {
    code: String,
    message: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl Error for Answer {}
