//! The commands that run the scripts.

use ::redis::Cmd;

use super::feed::message_of;
use super::names::{Names, id_digits, use_field};
use super::reply::{Row, VERSION};
use super::script::Scripts;
use super::stored::{digits_of_time, text_of};
use crate::key::digest::KeyDigest;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::feed::FeedEvent;
use crate::store::page::PageRequest;
use crate::store::usage::KeyUse;

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

    pub(super) fn insert(&self, record: &KeyRecord) -> Result<Cmd, StoreError> {
        let id = record.id();
        let mut command = self.scripts.insert.command(3);
        command
            .arg(&self.names.version)
            .arg(self.names.key(&id))
            .arg(self.names.owner(record.owner()))
            .arg(VERSION)
            .arg(id_digits(&id))
            .arg(text(record)?)
            .arg(&self.names.digests)
            .arg(&self.names.channel)
            .arg(message_of(FeedEvent::Added(id)));
        for version in record.secret_versions() {
            let used = version.last_used_at().map(digits_of_time);
            command
                .arg(digits(version))
                .arg(use_field(version.number()))
                .arg(used.unwrap_or_default());
        }
        Ok(command)
    }

    /// Makes the record of a row the one after that change, or deletes it.
    pub(super) fn change(
        &self,
        before: &Row,
        change: &KeyChange,
        after: Option<&KeyRecord>,
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
        let mut command = self.scripts.change.command(3);
        command
            .arg(&self.names.version)
            .arg(self.names.key(&id))
            .arg(self.names.owner(record.owner()))
            .arg(VERSION)
            .arg(id_digits(&id))
            .arg(&before.text)
            .arg(after.map(text).transpose()?.unwrap_or_default())
            .arg(&self.names.digests)
            .arg(&self.names.channel)
            .arg(message_of(FeedEvent::of(id, change)))
            .arg(added.map(digits).unwrap_or_default())
            .arg(added.map(field).unwrap_or_default());
        for version in gone {
            command.arg(digits(version)).arg(field(version));
        }
        Ok(command)
    }

    pub(super) fn note(&self, uses: &[KeyUse]) -> Cmd {
        let mut command = self.scripts.note.command(1);
        command
            .arg(&self.names.version)
            .arg(VERSION)
            .arg(&self.names.keys);
        for one in uses {
            command
                .arg(id_digits(&one.key()))
                .arg(use_field(one.secret_version()))
                .arg(digits_of_time(one.last_used_at()));
        }
        command
    }
}

fn digits(version: &SecretVersion) -> String {
    hex::encode(version.digest().as_bytes())
}

fn field(version: &SecretVersion) -> String {
    use_field(version.number())
}

fn text(record: &KeyRecord) -> Result<String, StoreError> {
    text_of(record).map_err(|error| {
        let message = "expected a record that can be written as JSON, found another";
        StoreError::new(StoreErrorKind::Corrupt, message).with_source(error)
    })
}
