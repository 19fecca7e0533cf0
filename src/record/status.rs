//! Whether a key works, and if not, why.

use std::fmt;

/// Whether a key works at some time.
///
/// Where several hold, the first in this order is told: revoked, disabled, expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyStatus {
    /// The key works.
    Active,
    /// The key was revoked, for ever.
    Revoked,
    /// The key is disabled until it is enabled.
    Disabled,
    /// The key's expiration date has come.
    Expired,
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        })
    }
}
