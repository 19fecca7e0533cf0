//! What a key to be issued shall be.

use std::time::Duration;

use jiff::Timestamp;

use crate::scope::set::ScopeSet;

/// What a key to be issued shall be: its owner, name, scopes and end.
///
/// Without scopes it permits nothing that needs one; without an end it never expires. The end is
/// kept to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub(super) owner: Box<str>,
    pub(super) name: Box<str>,
    pub(super) scopes: ScopeSet,
    pub(super) lifetime: Lifetime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Unlimited,
    For(Duration),
    Until(Timestamp),
}

impl NewKey {
    /// A key of that owner with that name, without scopes and without an end.
    ///
    /// The owner is 1 to 256 octets and the name 1 to 256 octets, both without control characters;
    /// [`KeyManager::issue`](super::manager::KeyManager::issue) refuses others.
    pub fn new(owner: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self {
            owner: owner.into(),
            name: name.into(),
            scopes: ScopeSet::new(),
            lifetime: Lifetime::Unlimited,
        }
    }

    /// Gives the key these scopes, in place of any before. Default: none.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: scopes.into(),
            ..self
        }
    }

    /// Lets the key expire this long after it is issued. Default: never.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self {
            lifetime: Lifetime::For(lifetime),
            ..self
        }
    }

    /// Lets the key expire at this time. Default: never.
    #[must_use]
    pub fn expires_at(self, end: Timestamp) -> Self {
        Self {
            lifetime: Lifetime::Until(end),
            ..self
        }
    }
}
