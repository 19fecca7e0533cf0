//! The bounds of what a key may be given.

use jiff::Timestamp;

use super::error::{ManageError, ManageErrorKind};
use crate::record::metadata::Metadata;
use crate::scope::set::ScopeSet;

/// The longest owner and name, in octets.
const MAX_TEXT: usize = 256;
/// The longest reason for a revocation, in octets.
const MAX_REASON: usize = 1_024;
/// The most scopes of one key.
const MAX_SCOPES: usize = 64;
/// The most entries of a key's metadata.
const MAX_ENTRIES: usize = 16;
/// The longest name in metadata, in octets.
const MAX_ENTRY_NAME: usize = 64;
/// The longest value in metadata, in octets.
const MAX_ENTRY_VALUE: usize = 256;

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

pub(super) fn check_metadata(metadata: &Metadata) -> Result<(), ManageError> {
    if metadata.len() > MAX_ENTRIES {
        let found = metadata.len();
        return Err(invalid(format!(
            "expected metadata of at most {MAX_ENTRIES} entries, found {found}"
        )));
    }
    for (name, value) in metadata.iter() {
        if name.is_empty() {
            return Err(invalid(
                "expected a name in metadata, found an empty text".to_owned(),
            ));
        }
        check_bounds("a name in metadata", name, MAX_ENTRY_NAME)?;
        check_bounds("a value in metadata", value, MAX_ENTRY_VALUE)?;
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
