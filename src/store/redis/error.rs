//! What goes wrong between the store and Redis.

use std::fmt;
use std::time::Duration;

use ::redis::{ErrorKind, RedisError, ServerError, ServerErrorKind};

use crate::store::contract::error::{StoreError, StoreErrorKind};

/// A failure that many callers may be told of.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: StoreErrorKind,
    message: String,
    source: Option<RedisError>,
}

impl Failure {
    pub(super) fn new(kind: StoreErrorKind, message: String) -> Self {
        Self {
            kind,
            message,
            source: None,
        }
    }

    /// No connection was made to that address.
    pub(super) fn of_connecting(error: RedisError, address: &dyn fmt::Display) -> Self {
        if let Some(failure) = Self::of_answer(&error, address) {
            return failure;
        }
        let (kind, found) = match error.kind() {
            ErrorKind::AuthenticationFailed => {
                (StoreErrorKind::Misconfigured, "its password refused")
            }
            ErrorKind::Parse => (StoreErrorKind::Misconfigured, "another protocol"),
            ErrorKind::RESP3NotSupported => {
                (StoreErrorKind::Misconfigured, "a version older than 6")
            }
            ErrorKind::InvalidClientConfig | ErrorKind::Client => {
                (StoreErrorKind::Misconfigured, "that it cannot work so")
            }
            ErrorKind::Io if error.is_timeout() => (StoreErrorKind::TimedOut, "no answer in time"),
            _ => (StoreErrorKind::Unavailable, "no connection"),
        };
        Self {
            kind,
            message: format!("expected redis at {address}, found {found}"),
            source: Some(error),
        }
    }

    /// A call over a connection to that address failed.
    pub(super) fn of_call(error: RedisError, address: &dyn fmt::Display) -> Self {
        Self::of_answer(&error, address).unwrap_or_else(|| Self {
            kind: StoreErrorKind::Unavailable,
            message: format!("expected an answer of redis at {address}, found its connection lost"),
            source: Some(error),
        })
    }

    /// The server at that address answered with an error. Its text is told only without what may
    /// be a digest in it, and is no source.
    fn of_answer(error: &RedisError, address: &dyn fmt::Display) -> Option<Self> {
        let code = error.code()?;
        let detail = without_arguments(error.detail().unwrap_or_default());
        // An error within a script may be an `ERR` whose text says what it is.
        let code = match code {
            "ERR" if detail.contains("user executing the script can't") => "NOPERM",
            "ERR" => KNOWN
                .iter()
                .find(|(known, ..)| {
                    let mut words = detail.split(|letter: char| !letter.is_ascii_uppercase());
                    words.any(|word| word == *known)
                })
                .map_or("ERR", |(known, ..)| known),
            _ => code,
        };
        let (kind, message) = match KNOWN.iter().find(|(known, ..)| *known == code) {
            Some((_, kind, expected, found)) => {
                let message = format!("expected {expected} redis at {address}, found {found}");
                (*kind, message)
            }
            None if detail.starts_with("DB index") => (
                StoreErrorKind::Misconfigured,
                format!("expected the database in redis at {address}, found none of that number"),
            ),
            None => (
                StoreErrorKind::Unavailable,
                format!("expected redis at {address} to work, found it answers {code}: {detail}"),
            ),
        };
        let told_more = code == "NOPERM" && !detail.is_empty();
        Some(Self {
            kind,
            message: if told_more {
                format!("{message}: {detail}")
            } else {
                message
            },
            source: None,
        })
    }

    /// No answer came within the deadline.
    pub(super) fn late(deadline: Duration, address: &dyn fmt::Display) -> Self {
        let message =
            format!("expected an answer of redis at {address} within {deadline:?}, found none");
        Self::new(StoreErrorKind::TimedOut, message)
    }

    /// The server at that address is no primary.
    pub(super) fn no_primary(found: &str, address: &dyn fmt::Display) -> Self {
        let message = format!("expected a primary, redis at {address}, found {found}");
        Self::new(StoreErrorKind::Unavailable, message)
    }

    /// Whether the server answered that it is a replica, within a script too.
    pub(super) fn is_of_replica(error: &ServerError) -> bool {
        error.kind() == Some(ServerErrorKind::ReadOnly)
            || error
                .details()
                .is_some_and(|detail| detail.contains("READONLY"))
    }

    /// The connection was given up, since nothing is heard on it.
    pub(super) fn silent(address: &dyn fmt::Display) -> Self {
        let message = format!("expected redis at {address}, found it silent");
        Self::new(StoreErrorKind::Unavailable, message)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.kind, failure.message);
        match failure.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// An error text up to where Redis repeats what it was sent or names the script, and without long
/// runs of digits.
fn without_arguments(detail: &str) -> String {
    let end = [", with args", " script: "].map(|part| detail.find(part));
    let end = end.into_iter().flatten().min().unwrap_or(detail.len());
    let detail = &detail[..end];
    let words = detail.split(' ').map(|word| {
        let digits = word.bytes().filter(u8::is_ascii_hexdigit).count();
        if digits < 32 { word } else { "[redacted]" }
    });
    words.collect::<Vec<_>>().join(" ")
}

type Known = (&'static str, StoreErrorKind, &'static str, &'static str);

/// What the codes of errors mean: code, kind, what was expected of the server, what was found.
const KNOWN: &[Known] = &[
    (
        "WRONGPASS",
        StoreErrorKind::Misconfigured,
        "a user and password of",
        "them refused",
    ),
    (
        "NOAUTH",
        StoreErrorKind::Misconfigured,
        "a user and password of",
        "that there are none",
    ),
    (
        "NOPERM",
        StoreErrorKind::Misconfigured,
        "permission for the commands, keys and channel of the store in",
        "that something is denied",
    ),
    (
        "READONLY",
        StoreErrorKind::Unavailable,
        "a primary,",
        "a replica",
    ),
    (
        "MOVED",
        StoreErrorKind::Misconfigured,
        "a single server,",
        "a node of a cluster",
    ),
    (
        "CROSSSLOT",
        StoreErrorKind::Misconfigured,
        "a single server,",
        "a node of a cluster",
    ),
    (
        "WRONGTYPE",
        StoreErrorKind::Corrupt,
        "a value of the store in",
        "one of another type",
    ),
    (
        "OOM",
        StoreErrorKind::Unavailable,
        "room for a change in",
        "its memory full",
    ),
    (
        "MISCONF",
        StoreErrorKind::Unavailable,
        "room for a change in",
        "that it cannot save to its disk",
    ),
    (
        "LOADING",
        StoreErrorKind::Unavailable,
        "all keys in",
        "it still loading them",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_means(answer: &str, kind: StoreErrorKind, message: &str) {
        let value = ::redis::parse_redis_value(format!("-{answer}\r\n").as_bytes());
        let error = value.unwrap().extract_error().unwrap_err();
        for failure in [
            Failure::of_call(error.clone(), &"h:1"),
            Failure::of_connecting(error, &"h:1"),
        ] {
            let error = StoreError::from(failure);
            assert_eq!((error.kind(), &*error.to_string()), (kind, message));
        }
    }

    #[test]
    fn what_a_server_says_of_itself_is_understood() {
        assert_means(
            "LOADING Redis is loading the dataset in memory",
            StoreErrorKind::Unavailable,
            "expected all keys in redis at h:1, found it still loading them",
        );
        assert_means(
            "MISCONF Redis is configured to save RDB snapshots, but cannot",
            StoreErrorKind::Unavailable,
            "expected room for a change in redis at h:1, found that it cannot save to its disk",
        );
        // As Redis 6 says it.
        assert_means(
            "ERR Error running script (call to f_0a): @user_script:3: WRONGTYPE Operation against",
            StoreErrorKind::Corrupt,
            "expected a value of the store in redis at h:1, found one of another type",
        );
        assert_means(
            "MOVED 866 10.0.0.7:6379",
            StoreErrorKind::Misconfigured,
            "expected a single server, redis at h:1, found a node of a cluster",
        );
        assert_means(
            "ERR unknown command 'EVALSHA', with args beginning with: 'OOM' 'a'",
            StoreErrorKind::Unavailable,
            "expected redis at h:1 to work, found it answers ERR: unknown command 'EVALSHA'",
        );
    }

    #[test]
    fn what_redis_repeats_is_not_told() {
        let digest = "ab".repeat(32);
        let detail = format!("unknown command 'EVALSHA', with args beginning with: '{digest}'");
        assert_eq!(without_arguments(&detail), "unknown command 'EVALSHA'");
        let detail = format!("no access to '{{p}}:digest:{digest}' now");
        assert_eq!(without_arguments(&detail), "no access to [redacted] now");
    }
}
