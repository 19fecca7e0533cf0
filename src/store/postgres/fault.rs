//! What goes wrong with PostgreSQL, told without credentials, digests or values of rows.

use std::error::Error;
use std::fmt;
use std::io;

use tokio_postgres::error::{Severity, SqlState};

use super::address::Address;
use super::sql::{Sql, VERSION};
use crate::store::error::{StoreError, StoreErrorKind};

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

    /// Whether it is the fault of what was to be written.
    pub(super) fn is_of_the_record(&self) -> bool {
        let too_large = Some(&SqlState::PROGRAM_LIMIT_EXCEEDED);
        self.code() == too_large || matches!(self.class(), "22" | "23")
    }

    pub(super) fn is_unique_violation(&self) -> bool {
        self.code() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// The table of what is violated.
    pub(super) fn table(&self) -> Option<&str> {
        match self {
            Self::Database(error) => error.as_db_error()?.table(),
            Self::Store(_) => None,
        }
    }

    fn class(&self) -> &str {
        let code = self.code().map(SqlState::code);
        code.and_then(|code| code.get(..2)).unwrap_or_default()
    }

    /// The failure of a call.
    pub(super) fn into_store_error(self, address: &Address) -> StoreError {
        let (kind, found) = match (self.code().map(SqlState::code), self.class()) {
            (Some("57014"), _) => (
                StoreErrorKind::TimedOut,
                "that a statement took longer than the deadline",
            ),
            (Some("42501"), _) => (StoreErrorKind::Misconfigured, "a lack of privileges"),
            (Some("25006"), _) => (StoreErrorKind::Unavailable, "a read-only server"),
            (Some("42P01" | "42703" | "3F000"), _) => (
                StoreErrorKind::Misconfigured,
                "other tables or none; call migrate()",
            ),
            (_, "42") => (StoreErrorKind::Misconfigured, "tables that do not fit"),
            (Some(_), _) if self.is_passing() => (
                StoreErrorKind::Overloaded,
                "changes that got in each other's way",
            ),
            (Some(_), _) if self.is_of_the_record() => (
                StoreErrorKind::Corrupt,
                "something that it cannot hold, such as NUL in a text or a time before 4713 BC",
            ),
            _ => (StoreErrorKind::Unavailable, "a failure"),
        };
        let is_lost = self.is_lost();
        match self {
            Self::Store(error) => error,
            Self::Database(error) if is_about_data(&error) => {
                let message = format!("expected keys in {address}, found rows that are none");
                StoreError::new(StoreErrorKind::Corrupt, message).with_source(error)
            }
            Self::Database(error) if is_lost => {
                let message = format!("the connection to {address} was lost before its answer");
                with_cause(StoreError::new(StoreErrorKind::Unavailable, message), error)
            }
            Self::Database(error) => {
                let message = format!("expected an answer of {address}, found {found}");
                with_cause(StoreError::new(kind, message), error)
            }
        }
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

/// The tables are of another version; 0 means that there are none.
pub(super) fn other_tables(found: i32, sql: &Sql, address: &Address) -> StoreError {
    let found = match found {
        0 => "none; call migrate()".to_owned(),
        found if found < VERSION => format!("version {found}; call migrate()"),
        found => format!("version {found}, made by a later release"),
    };
    let message = format!(
        "expected the tables {}* of version {VERSION} in {address}, found {found}",
        sql.prefix()
    );
    StoreError::new(StoreErrorKind::Misconfigured, message)
}

/// The failure to connect.
pub(super) fn no_connection(address: &Address, error: tokio_postgres::Error) -> StoreError {
    let code = error.code().map(|code| code.code().to_owned());
    let code = code.as_deref().unwrap_or_default();
    let (kind, found) = match (code, error.to_string().as_str()) {
        ("28P01" | "28000", _) | (_, "authentication error" | "invalid configuration") => (
            StoreErrorKind::Misconfigured,
            "that it does not accept the credentials",
        ),
        ("3D000", _) => (StoreErrorKind::Misconfigured, "no such database"),
        ("42501", _) => (StoreErrorKind::Misconfigured, "a lack of privileges"),
        ("53300", _) => (StoreErrorKind::Unavailable, "too many connections"),
        ("57P03", _) => (StoreErrorKind::Unavailable, "that it is not ready yet"),
        (_, "error performing TLS handshake") if is_refusal_of_tls(&error) => (
            StoreErrorKind::Misconfigured,
            "no TLS with a certificate that is trusted for this host",
        ),
        _ => (StoreErrorKind::Unavailable, "none"),
    };
    let message = format!("expected a connection to {address}, found {found}");
    with_cause(StoreError::new(kind, message), error)
}

/// Whether a handshake failed for what the peer said, and not for the connection.
fn is_refusal_of_tls(error: &tokio_postgres::Error) -> bool {
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
