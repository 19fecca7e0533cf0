//! The bounds of what a key may be given.

use jiff::Timestamp;

use super::error::{ManageError, ManageErrorKind};
use crate::scope::set::ScopeSet;

/// The longest owner and name, in octets.
const MAX_TEXT: usize = 256;
/// The longest reason for a revocation, in octets.
const MAX_REASON: usize = 1_024;
/// The most scopes of one key.
const MAX_SCOPES: usize = 64;

pub(super) fn check_text(what: &str, text: &str) -> Result<(), ManageError> {
    if text.trim().is_empty() {
        return Err(invalid(format!("expected {what}, found an empty text")));
    }
    check_bounds(what, text, MAX_TEXT)
}

pub(super) fn check_reason(reason: &str) -> Result<(), ManageError> {
    check_bounds("a reason", reason, MAX_REASON)
}

pub(super) fn check_scopes(scopes: &ScopeSet) -> Result<(), ManageError> {
    if scopes.len() > MAX_SCOPES {
        let found = scopes.len();
        return Err(invalid(format!(
            "expected at most {MAX_SCOPES} scopes, found {found}"
        )));
    }
    Ok(())
}

pub(super) fn check_end(end: Option<Timestamp>, now: Timestamp) -> Result<(), ManageError> {
    match end {
        Some(end) if end <= now => Err(invalid(format!(
            "expected an expiration date after {now}, found {end}"
        ))),
        _ => Ok(()),
    }
}

fn check_bounds(what: &str, text: &str, max: usize) -> Result<(), ManageError> {
    if text.len() > max {
        let found = text.len();
        return Err(invalid(format!(
            "expected {what} of at most {max} octets, found {found}"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!(
            "expected {what} without control characters"
        )));
    }
    Ok(())
}

pub(super) fn invalid(message: String) -> ManageError {
    ManageError::new(ManageErrorKind::InvalidInput, message)
}
