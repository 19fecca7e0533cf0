//! What keys may be issued at all.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use super::error::{ManageError, ManageErrorKind};
use super::lifetime::later;
use crate::record::key::KeyRecord;
use crate::scope::set::ScopeSet;

/// What keys a manager may issue, and what it may make of them.
///
/// A [`KeyManager`](super::manager::KeyManager) holds every key that it issues, and every change
/// that it makes, to its policy: [`with_issue_policy`](super::manager::KeyManager::with_issue_policy).
/// What a key has had before the policy stays, until it is changed.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::manage::{IssuePolicy, ManageErrorKind};
/// use tower_api_key::{KeyManager, MemoryStore, NewKey, Scope};
///
/// # futures::executor::block_on(async {
/// let policy = IssuePolicy::new()
///     .with_longest_lifetime(Duration::from_secs(90 * 86_400))
///     .with_allowed_scopes([Scope::READ, Scope::WRITE])
///     .with_max_keys_of_owner(100);
/// let keys = KeyManager::new(MemoryStore::new()).with_issue_policy(policy);
///
/// let endless = keys.issue(NewKey::new("acct_42", "CI")).await;
/// assert_eq!(endless.unwrap_err().kind(), ManageErrorKind::OutsidePolicy);
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuePolicy {
    longest_lifetime: Option<Duration>,
    requires_expiration: bool,
    allowed_scopes: Option<ScopeSet>,
    max_keys_of_owner: Option<u64>,
}

impl IssuePolicy {
    /// A policy that allows everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets no key live longer than this, from its creation on, so that each has an expiration date.
    /// Default: any time, and for ever.
    #[must_use]
    pub fn with_longest_lifetime(self, lifetime: Duration) -> Self {
        Self {
            longest_lifetime: Some(lifetime),
            ..self
        }
    }

    /// Asks for an expiration date. Default: a key may have none.
    #[must_use]
    pub fn with_required_expiration(self) -> Self {
        Self {
            requires_expiration: true,
            ..self
        }
    }

    /// Gives keys no scope but these. Default: any.
    #[must_use]
    pub fn with_allowed_scopes(self, scopes: impl Into<ScopeSet>) -> Self {
        Self {
            allowed_scopes: Some(scopes.into()),
            ..self
        }
    }

    /// Issues a key only if its owner has fewer than that many that are not revoked; see
    /// [`NewKey::with_max_keys_of_owner`](super::new_key::NewKey::with_max_keys_of_owner), of which
    /// the lower counts. Default: however many there are.
    #[must_use]
    pub fn with_max_keys_of_owner(self, count: u64) -> Self {
        Self {
            max_keys_of_owner: Some(count),
            ..self
        }
    }

    /// The scopes that a key may be given; `None` for any.
    pub fn allowed_scopes(&self) -> Option<&ScopeSet> {
        self.allowed_scopes.as_ref()
    }

    pub(super) fn max_keys_of_owner(&self) -> Option<u64> {
        self.max_keys_of_owner
    }

    pub(crate) fn check_scopes(&self, added: &ScopeSet) -> Result<(), ManageError> {
        match &self.allowed_scopes {
            Some(allowed) if !allowed.contains_all(added) => {
                Err(outside("expected no scope that the policy does not allow").about("scopes"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_end(
        &self,
        created_at: Timestamp,
        end: Option<Timestamp>,
    ) -> Result<(), ManageError> {
        let Some(end) = end else {
            if self.requires_expiration || self.longest_lifetime.is_some() {
                let message = "expected an expiration date, as the policy asks";
                return Err(outside(message).about("expires_at"));
            }
            return Ok(());
        };
        // A lifetime beyond the calendar is none.
        let latest = self
            .longest_lifetime
            .and_then(|lifetime| later(created_at, lifetime));
        match latest {
            Some(latest) if end > latest => Err(outside(format!(
                "expected an expiration date of {latest} at the latest, as the policy asks"
            ))
            .about("expires_at")),
            _ => Ok(()),
        }
    }

    /// Judges what a change gives a key, and not what the key has had before.
    pub(super) fn check_change(
        &self,
        before: &KeyRecord,
        after: &KeyRecord,
    ) -> Result<(), ManageError> {
        self.check_scopes(&after.scopes().difference(before.scopes()))?;
        if after.expires_at() != before.expires_at() {
            self.check_end(after.created_at(), after.expires_at())?;
        }
        Ok(())
    }
}

fn outside(message: impl Into<Cow<'static, str>>) -> ManageError {
    ManageError::new(ManageErrorKind::OutsidePolicy, message)
}
