//! The commands that run the scripts.

use ::redis::Cmd;
use jiff::Timestamp;

use super::entry;
use super::feed::message_of;
use super::names::{Names, id_digits, use_field};
use super::reply::{Row, VERSION};
use super::script::Scripts;
use super::stored::{self, digits_of_time};
use super::sums::{digits_of_hour, digits_of_hour_from};
use crate::key::digest::KeyDigest;
use crate::record::audit::AuditEntry;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::audit_page::AuditPageRequest;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::feed::FeedEvent;
use crate::store::page::PageRequest;
use crate::store::usage::UsageBatch;

/// Makes the commands that run the scripts; each script says what it takes.
pub(super) struct Commands {
    pub(super) names: Names,
    pub(super) scripts: Scripts,
}

impl Commands {
    pub(super) fn new(names: Names) -> Self {
        Self {
            names,
            scripts: Scripts::new(),
        }
    }

    pub(super) fn migrate(&self) -> Cmd {
        let mut command = self.scripts.migrate.command(1);
        command.arg(&self.names.version).arg(VERSION);
        command
    }

    pub(super) fn find(&self, digest: &KeyDigest) -> Cmd {
        let mut command = self.scripts.find.command(2);
        command
            .arg(&self.names.version)
            .arg(self.names.digest(digest))
            .arg(&self.names.keys);
        command
    }

    pub(super) fn get(&self, id: &KeyId) -> Cmd {
        let mut command = self.scripts.get.command(2);
        command
            .arg(&self.names.version)
            .arg(self.names.key(id))
            .arg(VERSION);
        command
    }

    pub(super) fn list(&self, owner: &str, page: &PageRequest) -> Cmd {
        let after = match page.cursor() {
            Some(id) => format!("({}", id_digits(&id)),
            None => "-".to_owned(),
        };
        let mut command = self.scripts.list.command(2);
        command
            .arg(&self.names.version)
            .arg(self.names.owner(owner))
            .arg(VERSION)
            .arg(&self.names.keys)
            .arg(after)
            .arg(page.limit() + 1);
        command
    }

    pub(super) fn insert(
        &self,
        record: &KeyRecord,
        context: &ChangeContext,
    ) -> Result<Cmd, StoreError> {
        let id = record.id();
        let entry = AuditEntry::of_insert(record, context);
        let at = digits_of_time(context.at());
        let idempotency = context
            .idempotency_key()
            .map(|key| format!("{at}{}", hex::encode(key)));
        let mut command = self.scripts.insert.command(1);
        command
            .arg(&self.names.version)
            .arg(VERSION)
            .arg(&self.names.start)
            .arg(id_digits(&id))
            .arg(record.owner())
            .arg(written(stored::text_of(record))?)
            .arg(message_of(FeedEvent::Added(id)))
            .arg(mark_of_revoked(Some(record)))
            .arg(
                context
                    .max_keys_of_owner()
                    .map_or(String::new(), |max| max.to_string()),
            )
            .arg(idempotency.unwrap_or_default())
            .arg(at)
            .arg(written(entry::text_of(&entry))?);
        for version in record.secret_versions() {
            let used = version.last_used_at().map(digits_of_time);
            command
                .arg(digits(version))
                .arg(use_field(version.number()))
                .arg(used.unwrap_or_default());
        }
        Ok(command)
    }

    /// Makes the record of a row the one after that change, or deletes it, and writes that entry.
    pub(super) fn change(
        &self,
        before: &Row,
        change: &KeyChange,
        after: Option<&KeyRecord>,
        entry: &AuditEntry,
    ) -> Result<Cmd, StoreError> {
        let record = &before.record;
        let id = record.id();
        let gone = record.secret_versions().iter().filter(|version| {
            after.is_none_or(|after| after.secret_version(version.digest()).is_none())
        });
        let added = match (change, after) {
            (KeyChange::Rotate { digest, .. }, Some(after)) => after.secret_version(digest),
            _ => None,
        };
        let has_other_scopes = after.is_some_and(|after| after.scopes() != record.scopes());
        let has_other_scopes = if has_other_scopes { "1" } else { "" };
        let text = after.map(|after| written(stored::text_of(after)));
        let mut command = self.scripts.change.command(1);
        command
            .arg(&self.names.version)
            .arg(VERSION)
            .arg(&self.names.start)
            .arg(id_digits(&id))
            .arg(record.owner())
            .arg(&before.text)
            .arg(text.transpose()?.unwrap_or_default())
            .arg(message_of(FeedEvent::of(id, change)))
            .arg(mark_of_revoked(after))
            .arg(added.map(digits).unwrap_or_default())
            .arg(added.map(field).unwrap_or_default())
            .arg(digits_of_time(entry.at()))
            .arg(written(entry::text_of(entry))?)
            .arg(has_other_scopes);
        for version in gone {
            command.arg(digits(version)).arg(field(version));
        }
        Ok(command)
    }

    pub(super) fn audit(&self, owner: &str, page: &AuditPageRequest) -> Cmd {
        let before = match page.cursor() {
            Some(number) => format!("({number}"),
            None => "+inf".to_owned(),
        };
        let mut command = self.scripts.audit.command(2);
        command
            .arg(&self.names.version)
            .arg(self.names.audit(owner))
            .arg(VERSION)
            .arg(before)
            .arg(page.limit() + 1);
        command
    }

    pub(super) fn forget_audit(&self, before: Timestamp, most: usize) -> Cmd {
        let mut command = self.scripts.forget_audit.command(1);
        command
            .arg(&self.names.version)
            .arg(VERSION)
            .arg(&self.names.start)
            .arg(digits_of_time(before))
            .arg(most);
        command
    }

    /// Counts a batch whose latest use is that.
    pub(super) fn count(&self, batch: &UsageBatch, latest: Timestamp) -> Cmd {
        let mut command = self.scripts.count.command(1);
        command
            .arg(&self.names.version)
            .arg(VERSION)
            .arg(&self.names.start)
            .arg(hex::encode(batch.writer()))
            .arg(format!("{:020}", batch.sequence()))
            .arg(digits_of_time(latest));
        for one in batch.uses() {
            command
                .arg(id_digits(&one.key()))
                .arg(one.secret_version())
                .arg(digits_of_time(one.last_used_at()))
                .arg(digits_of_hour(one.last_used_at()))
                .arg(one.allowed())
                .arg(one.refused())
                .arg(one.exercised().to_string());
        }
        command
    }

    /// A part of the sums of a key: after that place, and before that hour.
    pub(super) fn usage(&self, id: &KeyId, after: &[u8], before: &str, most: usize) -> Cmd {
        let mut command = self.scripts.usage.command(3);
        command
            .arg(&self.names.version)
            .arg(&self.names.sums(id))
            .arg(VERSION)
            .arg([b"(", after].concat())
            .arg(format!("({before}"))
            .arg(most);
        command
    }

    pub(super) fn scope_uses(&self, id: &KeyId) -> Cmd {
        let mut command = self.scripts.get.command(2);
        command
            .arg(&self.names.version)
            .arg(self.names.scopes(id))
            .arg(VERSION);
        command
    }

    pub(super) fn forget_usage(&self, before: Timestamp, most: usize) -> Cmd {
        let mut command = self.scripts.forget_usage.command(1);
        command
            .arg(&self.names.version)
            .arg(VERSION)
            .arg(&self.names.start)
            .arg(digits_of_hour_from(before))
            .arg(digits_of_time(before))
            .arg(most);
        command
    }
}

/// What says that a record is revoked.
fn mark_of_revoked(record: Option<&KeyRecord>) -> &'static str {
    let revoked = record.is_some_and(|record| record.revocation().is_some());
    if revoked { "1" } else { "" }
}

fn digits(version: &SecretVersion) -> String {
    hex::encode(version.digest().as_bytes())
}

fn field(version: &SecretVersion) -> String {
    use_field(version.number())
}

fn written(text: Result<String, serde_json::Error>) -> Result<String, StoreError> {
    text.map_err(|error| {
        let message = "expected a record that can be written as JSON, found another";
        StoreError::new(StoreErrorKind::Corrupt, message).with_source(error)
    })
}
