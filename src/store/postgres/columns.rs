//! Records as columns, for statements that write many rows.

use std::borrow::Borrow;

use super::timestamptz::Timestamptz;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;

/// The columns of keys.
#[derive(Default)]
pub(super) struct Keys<'a> {
    pub(super) ids: Vec<Vec<u8>>,
    pub(super) owners: Vec<&'a str>,
    pub(super) names: Vec<&'a str>,
    pub(super) scopes: Vec<String>,
    pub(super) created_at: Vec<Timestamptz>,
    pub(super) expires_at: Vec<Option<Timestamptz>>,
    pub(super) disabled: Vec<bool>,
    pub(super) revoked_at: Vec<Option<Timestamptz>>,
    pub(super) reasons: Vec<Option<&'a str>>,
    pub(super) metadata: Vec<Option<String>>,
    pub(super) changes: Vec<i64>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(records: &'a [impl Borrow<KeyRecord>]) -> Self {
        let mut keys = Self::default();
        for record in records.iter().map(Borrow::borrow) {
            let revocation = record.revocation();
            keys.ids.push(record.id().as_bytes().to_vec());
            keys.owners.push(record.owner());
            keys.names.push(record.name());
            keys.scopes.push(record.scopes().to_string());
            keys.created_at.push(Timestamptz(record.created_at()));
            keys.expires_at.push(record.expires_at().map(Timestamptz));
            keys.disabled.push(record.is_disabled());
            keys.revoked_at
                .push(revocation.map(|end| Timestamptz(end.at())));
            keys.reasons.push(revocation.map(Revocation::reason));
            keys.metadata.push(text_of(record.metadata()));
            keys.changes.push(record.changes().into());
        }
        keys
    }
}

/// As JSON; nothing where there is none, as with most keys.
fn text_of(metadata: &Metadata) -> Option<String> {
    // OK because a map of texts can always be written.
    let text = || serde_json::to_string(metadata).unwrap_or_default();
    (!metadata.is_empty()).then(text)
}

/// The columns of secret versions.
#[derive(Default)]
pub(super) struct Secrets<'a> {
    pub(super) key_ids: Vec<Vec<u8>>,
    pub(super) numbers: Vec<i64>,
    pub(super) digests: Vec<&'a [u8]>,
    pub(super) prefixes: Vec<String>,
    pub(super) created_at: Vec<Timestamptz>,
    pub(super) retires_at: Vec<Option<Timestamptz>>,
    pub(super) last_used_at: Vec<Option<Timestamptz>>,
}

impl<'a> Secrets<'a> {
    pub(super) fn of(records: &'a [impl Borrow<KeyRecord>]) -> Self {
        let mut secrets = Self::default();
        for record in records.iter().map(Borrow::borrow) {
            for version in record.secret_versions() {
                secrets.push(record.id(), version);
            }
        }
        secrets
    }

    fn push(&mut self, key: KeyId, version: &'a SecretVersion) {
        self.key_ids.push(key.as_bytes().to_vec());
        self.numbers.push(version.number().into());
        self.digests.push(version.digest().as_bytes());
        self.prefixes.push(version.prefix().to_string());
        self.created_at.push(Timestamptz(version.created_at()));
        self.retires_at.push(version.retires_at().map(Timestamptz));
        self.last_used_at
            .push(version.last_used_at().map(Timestamptz));
    }
}
