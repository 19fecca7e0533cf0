//! A change of what an owner may choose.

use jiff::Timestamp;

use super::metadata::Metadata;
use super::moment::Moment;
use crate::scope::set::ScopeSet;

/// A change of name, scopes, expiration date, metadata, or whether a key is disabled, in one step; what
/// it does not name stays.
///
/// The date is kept to the microsecond.
///
/// ```
/// use tower_api_key::record::KeyUpdate;
/// use tower_api_key::scope::Scope;
///
/// let update = KeyUpdate::new().with_name("Reporting").with_scopes([Scope::READ]);
/// assert_eq!(update.name(), Some("Reporting"));
/// assert_eq!(update.expires_at(), None); // stays as it is
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUpdate {
    name: Option<Box<str>>,
    scopes: Option<ScopeSet>,
    expires_at: Option<Expiration>,
    metadata: Option<Metadata>,
    disabled: Option<bool>,
}

/// An expiration date, or none.
type Expiration = Option<Moment>;

impl KeyUpdate {
    /// An update that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the key another name.
    #[must_use]
    pub fn with_name(self, name: impl Into<Box<str>>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// Replaces the key's scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: Some(scopes.into()),
            ..self
        }
    }

    /// Replaces the key's expiration date; `None` means that it never expires.
    #[must_use]
    pub fn with_expires_at(self, expires_at: Option<Timestamp>) -> Self {
        Self {
            expires_at: Some(expires_at.map(Moment::floor)),
            ..self
        }
    }

    /// Replaces all of the key's metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self {
            metadata: Some(metadata),
            ..self
        }
    }

    /// Disables the key, or enables it.
    #[must_use]
    pub fn with_disabled(self, disabled: bool) -> Self {
        Self {
            disabled: Some(disabled),
            ..self
        }
    }

    /// The new name, if it changes.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The new scopes, if they change.
    pub fn scopes(&self) -> Option<&ScopeSet> {
        self.scopes.as_ref()
    }

    /// The new expiration date, if it changes.
    pub fn expires_at(&self) -> Option<Option<Timestamp>> {
        self.expires_at
            .map(|expiration| expiration.map(Moment::timestamp))
    }

    /// The new metadata, if it changes.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Whether the key shall be disabled, if that changes.
    pub fn disabled(&self) -> Option<bool> {
        self.disabled
    }
}
