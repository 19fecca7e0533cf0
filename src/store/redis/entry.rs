//! What stands in Redis for an entry of the audit trail.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::stored::microsecond;
use crate::record::action::AuditAction;
use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::record::moment::from_microsecond;

/// An entry without its number, which the script writes before it, and its owner, whose trail it is
/// in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry<'a> {
    at: i64,
    action: AuditAction,
    key: KeyId,
    #[serde(borrow)]
    actor: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

/// The text of an entry, to follow its number.
pub(super) fn text_of(entry: &AuditEntry) -> Result<String, serde_json::Error> {
    serde_json::to_string(&StoredEntry {
        at: microsecond(entry.at()),
        action: entry.action(),
        key: entry.key_id(),
        actor: entry.actor().into(),
        reason: entry.reason().into(),
        detail: entry.detail().into(),
    })
}

/// The entry of that owner's trail that a number and a text stand for, if they do.
pub(super) fn entry_of(owner: &str, text: &[u8]) -> Option<AuditEntry> {
    let text = std::str::from_utf8(text).ok()?;
    let (number, text) = text.split_at_checked(text.find('{')?)?;
    let stored: StoredEntry<'_> = serde_json::from_str(text).ok()?;
    let at = from_microsecond(stored.at).ok()?;
    let entry = AuditEntry::new(number.parse().ok()?, at, stored.action, stored.key, owner)
        .with_actor(stored.actor)
        .with_reason(stored.reason)
        .with_detail(stored.detail);
    Some(entry)
}
