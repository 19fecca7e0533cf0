//! The bounds of what a key may be given.

use jiff::Timestamp;

use super::error::{ManageError, ManageErrorKind};
use crate::key::formats::KeyFormats;
use crate::record::metadata::Metadata;
use crate::scope::set::ScopeSet;

/// The longest owner and name, in octets.
const MAX_TEXT: usize = 256;
/// The longest reason for a revocation, in octets.
const MAX_REASON: usize = 1_024;
/// The most scopes of one key.
pub(crate) const MAX_SCOPES: usize = 64;
/// The most entries of a key's metadata.
const MAX_ENTRIES: usize = 16;
/// The longest name in metadata, in octets.
const MAX_ENTRY_NAME: usize = 64;
/// The longest value in metadata, in octets.
const MAX_ENTRY_VALUE: usize = 256;

pub(crate) fn check_owner(owner: &str, formats: &KeyFormats) -> Result<(), ManageError> {
    reject_key("owner", owner, formats)?;
    check_text("an owner", owner)
}

pub(crate) fn check_actor(actor: &str, formats: &KeyFormats) -> Result<(), ManageError> {
    reject_key("actor", actor, formats)?;
    check_text("an actor", actor)
}

fn check_text(what: &str, text: &str) -> Result<(), ManageError> {
    if text.chars().all(shows_nothing) {
        return Err(invalid(format!("expected {what}, found an empty text")));
    }
    check_bounds(what, text, MAX_TEXT)
}

pub(crate) fn check_name(name: &str, formats: &KeyFormats) -> Result<(), ManageError> {
    reject_key("name", name, formats)?;
    check_text("a name", name).map_err(|error| error.about("name"))
}

pub(crate) fn check_reason(reason: &str, formats: &KeyFormats) -> Result<(), ManageError> {
    reject_key("reason", reason, formats)?;
    check_bounds("a reason", reason, MAX_REASON)
}

pub(crate) fn check_scopes(scopes: &ScopeSet, formats: &KeyFormats) -> Result<(), ManageError> {
    if scopes.len() > MAX_SCOPES {
        let found = scopes.len();
        return Err(invalid(format!(
            "expected at most {MAX_SCOPES} scopes, found {found}"
        ))
        .about("scopes"));
    }
    let mut names = scopes.iter();
    names.try_for_each(|scope| reject_key("scopes", scope.as_str(), formats))
}

pub(crate) fn check_metadata(metadata: &Metadata, formats: &KeyFormats) -> Result<(), ManageError> {
    for text in metadata.iter().flat_map(<[&str; 2]>::from) {
        reject_key("metadata", text, formats)?;
    }
    check_entries(metadata).map_err(|error| error.about("metadata"))
}

fn check_entries(metadata: &Metadata) -> Result<(), ManageError> {
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

pub(crate) fn check_end(end: Option<Timestamp>, now: Timestamp) -> Result<(), ManageError> {
    match end {
        Some(end) if end <= now => Err(invalid(format!(
            "expected an expiration date after {now}, found {end}"
        ))
        .about("expires_at")),
        _ => Ok(()),
    }
}

/// Rejects the plaintext of a key, pasted where everybody may read it. The string is not repeated.
fn reject_key(field: &'static str, text: &str, formats: &KeyFormats) -> Result<(), ManageError> {
    if formats.have_key_in(text) {
        return Err(invalid(format!("{field} looks like an API key")).about(field));
    }
    Ok(())
}

fn check_bounds(what: &str, text: &str, max: usize) -> Result<(), ManageError> {
    if text.len() > max {
        let found = text.len();
        return Err(invalid(format!(
            "expected {what} of at most {max} octets, found {found}"
        )));
    }
    if text.chars().any(is_control) {
        return Err(invalid(format!(
            "expected {what} without control characters"
        )));
    }
    Ok(())
}

/// White space, and what takes no room where it stands alone.
fn shows_nothing(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2060}'..='\u{2064}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
        )
}

/// What breaks lines, and what turns the direction of the text around it, to look like another.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

pub(super) fn invalid(message: String) -> ManageError {
    ManageError::new(ManageErrorKind::InvalidInput, message)
}
