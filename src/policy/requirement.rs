//! What a policy asks of a key.

use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;

/// What a request needs of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// Every one of these scopes. The empty set asks for a valid key and nothing more.
    Scopes(ScopeSet),
    /// No key is enough: the request is refused with 403.
    NotPermitted,
}

impl Requirement {
    /// What a request needs that must fulfil both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Scopes(one), Self::Scopes(two)) => Self::Scopes(one.union(&two)),
            _ => Self::NotPermitted,
        }
    }
}

impl From<ScopeSet> for Requirement {
    fn from(scopes: ScopeSet) -> Self {
        Self::Scopes(scopes)
    }
}

impl From<Scope> for Requirement {
    fn from(scope: Scope) -> Self {
        Self::Scopes(scope.into())
    }
}

impl<const N: usize> From<[Scope; N]> for Requirement {
    fn from(scopes: [Scope; N]) -> Self {
        Self::Scopes(scopes.into())
    }
}
