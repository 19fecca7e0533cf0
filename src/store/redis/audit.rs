//! The audit trail in Redis.

use std::borrow::Cow;

use ::redis::Value;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::link::Repeat;
use super::names::VERSION;
use super::rows::digits_of_time;
use super::script::STEP;
use super::store::RedisStore;
use crate::record::action::AuditAction;
use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::store::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use crate::store::contract::error::StoreError;

#[async_trait]
impl AuditLog for RedisStore {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        let shared = &*self.0;
        let before = match page.cursor() {
            Some(number) => format!("({number}"),
            None => "+inf".to_owned(),
        };
        let script = &shared.scripts.audit;
        let mut command = script.command(2);
        command
            .arg(&shared.names.version)
            .arg(shared.names.audit(owner))
            .arg(VERSION)
            .arg(before)
            .arg(page.limit() + 1);
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        let items = shared.items(reply)?;
        let entries = shared.array(items.first())?.iter().map(|entry| {
            match entry {
                Value::BulkString(text) => entry_of(owner, text),
                _ => None,
            }
            .ok_or_else(|| shared.corrupt("an entry of an audit trail is invalid"))
        });
        let entries: Result<Vec<AuditEntry>, StoreError> = entries.collect();
        Ok(AuditPage::new(page, entries?))
    }

    /// Deletes 500 entries in one step, each with a deadline of its own. If one fails, those before
    /// it stay deleted.
    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let shared = &*self.0;
        let script = &shared.scripts.prune_audit;
        let mut command = script.command(1);
        command
            .arg(&shared.names.version)
            .arg(VERSION)
            .arg(&shared.names.start)
            .arg(digits_of_time(at))
            .arg(STEP);
        shared.prune(script, &command).await
    }
}

/// An entry without its number, which the script writes before it, and its owner, whose trail it is
/// in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry<'a> {
    at: Timestamp,
    action: AuditAction,
    key: KeyId,
    #[serde(borrow)]
    actor: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

/// The text of an entry, which follows its number.
pub(super) fn text_of(entry: &AuditEntry) -> String {
    let stored = StoredEntry {
        at: entry.at(),
        action: entry.action(),
        key: entry.key_id(),
        actor: entry.actor().into(),
        reason: entry.reason().into(),
        detail: entry.detail().into(),
    };
    // OK because strings can always be written as JSON.
    serde_json::to_string(&stored).unwrap_or_default()
}

/// The entry of that owner's trail that a number and a text stand for, if they do.
fn entry_of(owner: &str, text: &[u8]) -> Option<AuditEntry> {
    let text = std::str::from_utf8(text).ok()?;
    let (number, text) = text.split_at_checked(text.find('{')?)?;
    let stored: StoredEntry<'_> = serde_json::from_str(text).ok()?;
    let number = number.parse().ok()?;
    let entry = AuditEntry::new(number, stored.at, stored.action, stored.key, owner)
        .with_actor(stored.actor)
        .with_reason(stored.reason)
        .with_detail(stored.detail);
    Some(entry)
}
