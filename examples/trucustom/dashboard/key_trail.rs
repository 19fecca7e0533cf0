//! Whether a key could sign in all the time, by the audit trail.

use serde::Deserialize;
use tower_api_key::ScopeSet;
use tower_api_key::manage::ManageError;
use tower_api_key::record::{AuditAction, AuditEntry, KeyRecord};
use tower_api_key::store::AuditPageRequest;

use super::router::Keys;
use super::signed_in::MANAGE;

/// Whether no change since that revision of a key took its right to sign in, even for a moment.
///
/// Where the account's last 1,000 entries do not hold all of these changes, the answer is no. So it is
/// while the key is being changed.
pub(super) async fn could_sign_in(
    keys: &Keys,
    record: &KeyRecord,
    revision: u64,
) -> Result<bool, ManageError> {
    // Every change raises the revision by one, and leaves one entry.
    let changes = record.revision().checked_sub(revision);
    let Some(changes) = changes.and_then(|count| usize::try_from(count).ok()) else {
        return Ok(false);
    };
    let newest = AuditPageRequest::first(AuditPageRequest::MAX_LIMIT);
    let trail = keys.audit(record.owner(), &newest).await?;
    // The entry of a later change would stand in the place of one that matters.
    let now = keys.get(&record.id()).await?;
    if now.is_none_or(|now| now.revision() != record.revision()) {
        return Ok(false);
    }
    let of_key = trail.entries().iter();
    let of_key = of_key.filter(|entry| entry.key_id() == record.id());
    let harmless = of_key.take(changes).take_while(|entry| is_harmless(entry));
    Ok(harmless.count() == changes)
}

/// Whether a key that could sign in before a change can do so after it.
///
/// Of a rotation, the session looks at its secret.
fn is_harmless(entry: &AuditEntry) -> bool {
    match entry.action() {
        AuditAction::Rotated => true,
        AuditAction::Updated => serde_json::from_str(entry.detail()).is_ok_and(|update: Update| {
            let is_disabled = update.disabled.is_some_and(|disabled| disabled.to);
            let scopes = update.scopes.map(|scopes| scopes.to);
            !is_disabled && scopes.is_none_or(|scopes| scopes.contains(&MANAGE))
        }),
        _ => false,
    }
}

/// The members of an update's detail that matter.
#[derive(Deserialize)]
struct Update {
    disabled: Option<To<bool>>,
    scopes: Option<To<ScopeSet>>,
}

#[derive(Deserialize)]
struct To<T> {
    to: T,
}
