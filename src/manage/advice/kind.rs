//! The kinds of advice.

use std::fmt;

use jiff::Timestamp;

use crate::scope::set::ScopeSet;

/// Something about a key that its holder should look at.
///
/// Its text says what was found, in English.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// The key was never used: if nobody needs it, revoke it.
    NeverUsed {
        /// When the key was issued.
        since: Timestamp,
    },
    /// The key was not used for long: if nobody needs it any more, revoke it.
    Idle {
        /// When it was last used.
        since: Timestamp,
    },
    /// The key has no expiration date: give it one.
    NoExpiration,
    /// The key expires soon: issue another, or move the date.
    ExpiresSoon {
        /// When it expires.
        at: Timestamp,
    },
    /// A secret was used after a rotation superseded it: some client has the old one still.
    SupersededSecretInUse {
        /// The number of the secret version.
        secret_version: u32,
        /// When it was last used.
        last_used_at: Timestamp,
        /// From when on it is refused.
        retires_at: Timestamp,
    },
    /// Some scopes of the key were not needed by any request for a long time: consider removing them.
    UnusedScopes {
        /// The scopes.
        scopes: ScopeSet,
        /// The first hour whose used scopes are known.
        since: Timestamp,
    },
    /// There were far more requests in the last whole hour than in any of the two weeks before.
    UnusualTraffic(HourlyExcess),
    /// Far more requests were refused for a scope in the last whole hour than in any of the two weeks
    /// before: whoever holds the key tries what it may not do.
    UnusualRefusals(HourlyExcess),
}

/// An hour that stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HourlyExcess {
    /// The start of the hour, in UTC.
    pub hour: Timestamp,
    /// How many requests there were.
    pub found: u64,
    /// How many would not have stood out.
    pub limit: u64,
}

impl Advice {
    /// A stable name for programs, such as `never_used`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeverUsed { .. } => "never_used",
            Self::Idle { .. } => "idle",
            Self::NoExpiration => "no_expiration",
            Self::ExpiresSoon { .. } => "expires_soon",
            Self::SupersededSecretInUse { .. } => "superseded_secret_in_use",
            Self::UnusedScopes { .. } => "unused_scopes",
            Self::UnusualTraffic(_) => "unusual_traffic",
            Self::UnusualRefusals(_) => "unusual_refusals",
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverUsed { since } => write!(f, "never used since it was issued at {since}"),
            Self::Idle { since } => write!(f, "not used since {since}"),
            Self::NoExpiration => f.write_str("it has no expiration date"),
            Self::ExpiresSoon { at } => write!(f, "it expires at {at}"),
            Self::SupersededSecretInUse {
                secret_version,
                last_used_at,
                retires_at,
            } => write!(
                f,
                "superseded secret {secret_version} was used at {last_used_at}, and is refused \
                 from {retires_at} on"
            ),
            Self::UnusedScopes { scopes, since } => {
                write!(
                    f,
                    "no request since {since} needed these of its scopes: {scopes}"
                )
            }
            Self::UnusualTraffic(HourlyExcess { hour, found, limit }) => write!(
                f,
                "{found} requests in the hour from {hour}, expected at most {limit}"
            ),
            Self::UnusualRefusals(HourlyExcess { hour, found, limit }) => write!(
                f,
                "{found} requests refused for a scope in the hour from {hour}, expected at most \
                 {limit}"
            ),
        }
    }
}
