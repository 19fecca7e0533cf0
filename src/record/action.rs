//! What was done to a key.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::change::KeyChange;

/// What was done to a key; in texts and in serde, a lower-case word such as `issued`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum AuditAction {
    /// The key was added: issued, delegated or imported.
    Issued,
    /// Its name, scopes, expiration date or metadata changed.
    Updated,
    /// It was disabled.
    Disabled,
    /// It was enabled.
    Enabled,
    /// It was revoked.
    Revoked,
    /// It got a new secret.
    Rotated,
    /// It was deleted.
    Deleted,
}

impl AuditAction {
    const ALL: [Self; 7] = [
        Self::Issued,
        Self::Updated,
        Self::Disabled,
        Self::Enabled,
        Self::Revoked,
        Self::Rotated,
        Self::Deleted,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Updated => "updated",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Revoked => "revoked",
            Self::Rotated => "rotated",
            Self::Deleted => "deleted",
        }
    }

    /// What the change does.
    pub(super) fn of(change: &KeyChange) -> Self {
        match change {
            KeyChange::Update(_) => Self::Updated,
            KeyChange::Disable => Self::Disabled,
            KeyChange::Enable => Self::Enabled,
            KeyChange::Revoke(_) => Self::Revoked,
            KeyChange::Rotate { .. } => Self::Rotated,
            KeyChange::Delete => Self::Deleted,
        }
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AuditAction {
    type Err = InvalidAuditAction;

    fn from_str(text: &str) -> Result<Self, InvalidAuditAction> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or(InvalidAuditAction)
    }
}

impl TryFrom<String> for AuditAction {
    type Error = InvalidAuditAction;

    fn try_from(text: String) -> Result<Self, InvalidAuditAction> {
        text.parse()
    }
}

impl From<AuditAction> for &'static str {
    fn from(action: AuditAction) -> Self {
        action.as_str()
    }
}

/// A text is not an [`AuditAction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidAuditAction;

impl fmt::Display for InvalidAuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected what was done to a key:")?;
        AuditAction::ALL
            .iter()
            .try_for_each(|action| write!(f, " {action}"))
    }
}

impl Error for InvalidAuditAction {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for action in AuditAction::ALL {
            assert_eq!(action.to_string().parse(), Ok(action));
            let text = serde_json::to_string(&action).unwrap();
            assert_eq!(text, format!("\"{action}\""));
            assert_eq!(serde_json::from_str::<AuditAction>(&text).unwrap(), action);
        }
        assert_eq!("Issued".parse::<AuditAction>(), Err(InvalidAuditAction));
        assert_eq!(
            InvalidAuditAction.to_string(),
            "expected what was done to a key: issued updated disabled enabled revoked rotated \
             deleted"
        );
    }
}
