//! The key whose holder received a secret.

use jiff::Timestamp;

use super::moment::Moment;
use crate::scope::set::ScopeSet;

/// The scopes and the expiration that a key had when its holder received the plaintext of a secret.
///
/// The secret never works with more than that. A secret that the application itself received has no
/// recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    scopes: ScopeSet,
    expires_at: Option<Moment>,
}

impl Recipient {
    /// A recipient with these scopes, which expires at that time, or never.
    pub fn new(scopes: impl Into<ScopeSet>, expires_at: Option<Timestamp>) -> Self {
        Self {
            scopes: scopes.into(),
            expires_at: expires_at.map(Moment::floor),
        }
    }

    /// The scopes that the key had.
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// When the key expired; `None` if never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at.map(Moment::timestamp)
    }

    /// When a secret has to expire whose key has these scopes and that expiration, if they exceed this.
    pub(super) fn bound(
        &self,
        scopes: &ScopeSet,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if !self.scopes.contains_all(scopes) {
            return Some(now);
        }
        let bound = self.expires_at()?;
        expires_at
            .is_none_or(|expires_at| expires_at > bound)
            .then_some(bound)
    }
}
