//! What is shown of a key, its usage, its advice and its audit trail.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::manage::advice::kind::Advice;
use crate::record::audit::AuditEntry;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::status::KeyStatus;
use crate::store::contract::usage::UsageBucket;

/// A key, without its plaintext.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct KeyResource {
    /// The stable public name of the key.
    #[schema(pattern = "^key_[0-9a-f]{32}$")]
    id: String,
    /// The account that the key belongs to.
    owner: String,
    /// What the owner calls the key.
    name: String,
    /// The part of the newest secret that may be shown.
    #[schema(example = "tc_6d3a87d1")]
    prefix: Option<String>,
    /// What the key may do.
    scopes: Vec<String>,
    /// Whether the key works; where several reasons hold, `revoked` before `disabled` before `expired`.
    status: Status,
    /// When the key was issued.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on the key is refused; null means never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When the key was last used, as far as the store was told.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// When and why the key was revoked; null if it was not.
    revoked: Option<RevokedResource>,
    /// What the owner notes down about the key.
    metadata: BTreeMap<String, String>,
    /// The secrets of the key, newest first.
    secrets: Vec<SecretResource>,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyStatus)]
pub(super) enum Status {
    Active,
    Disabled,
    Expired,
    Revoked,
}

impl From<Status> for KeyStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Disabled => Self::Disabled,
            Status::Expired => Self::Expired,
            Status::Revoked => Self::Revoked,
        }
    }
}

impl Status {
    pub(super) const NAMES: &'static str = "expected active, disabled, expired or revoked";

    pub(super) fn of(record: &KeyRecord, now: Timestamp) -> Self {
        match record.status(now) {
            KeyStatus::Active => Self::Active,
            KeyStatus::Disabled => Self::Disabled,
            KeyStatus::Expired => Self::Expired,
            KeyStatus::Revoked => Self::Revoked,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "disabled" => Some(Self::Disabled),
            "expired" => Some(Self::Expired),
            "revoked" => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// When and why a key was revoked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revoked)]
pub(super) struct RevokedResource {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    reason: String,
}

/// One secret of a key, without its plaintext.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
pub(super) struct SecretResource {
    /// Its number, from 1.
    version: u32,
    /// The part of it that may be shown.
    prefix: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on it is refused, since a rotation superseded it.
    #[schema(value_type = Option<String>, format = DateTime)]
    retires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl KeyResource {
    /// `prefix` is that of the format, such as `tc_`.
    pub(super) fn of(record: &KeyRecord, prefix: &str, now: Timestamp) -> Self {
        let shown = |secret: &SecretVersion| format!("{prefix}{}", secret.prefix());
        let secrets = record.secret_versions().iter();
        let secrets = secrets.map(|secret| SecretResource {
            version: secret.number(),
            prefix: shown(secret),
            created_at: secret.created_at(),
            retires_at: secret.retires_at(),
            last_used_at: secret.last_used_at(),
        });
        let entries = record.metadata().iter();
        let revoked = record.revocation().map(|revocation| RevokedResource {
            at: revocation.at(),
            reason: revocation.reason().to_owned(),
        });
        Self {
            id: record.id().to_string(),
            owner: record.owner().to_owned(),
            name: record.name().to_owned(),
            prefix: record.secret_versions().first().map(shown),
            scopes: record.scopes().iter().map(ToString::to_string).collect(),
            status: Status::of(record, now),
            created_at: record.created_at(),
            expires_at: record.expires_at(),
            last_used_at: record.last_used_at(),
            revoked,
            metadata: entries
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            secrets: secrets.collect(),
        }
    }
}

/// A key, with its new plaintext: shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyWithPlaintext)]
pub(super) struct IssuedResource<'a> {
    /// The key to send: shown here and never again.
    pub(super) key: &'a str,
    #[serde(flatten)]
    pub(super) resource: KeyResource,
}

/// One page of keys, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyPage)]
pub(super) struct KeyPageResource {
    pub(super) keys: Vec<KeyResource>,
    /// The `cursor` of the next page; null on the last. A page may have fewer keys than asked for,
    /// or none, and a next page all the same.
    pub(super) next_cursor: Option<String>,
}

/// How often a key was used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(super) struct UsageResource {
    /// The start of the first hour that is told.
    #[schema(value_type = String, format = DateTime)]
    pub(super) from: Timestamp,
    /// The hours that are told start before this.
    #[schema(value_type = String, format = DateTime)]
    pub(super) to: Timestamp,
    /// Requests that were let in.
    pub(super) allowed: u64,
    /// Requests that were refused for a scope.
    pub(super) refused: u64,
    /// The hours with any, in order.
    pub(super) hours: Vec<HourResource>,
}

/// How often one secret of a key was used in one hour.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageHour)]
pub(super) struct HourResource {
    /// The start of the hour, in UTC.
    #[schema(value_type = String, format = DateTime)]
    hour: Timestamp,
    /// The number of the secret.
    secret_version: u32,
    allowed: u64,
    refused: u64,
}

impl From<&UsageBucket> for HourResource {
    fn from(bucket: &UsageBucket) -> Self {
        Self {
            hour: bucket.hour(),
            secret_version: bucket.secret_version(),
            allowed: bucket.allowed(),
            refused: bucket.refused(),
        }
    }
}

/// What the holder of a key should look at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdviceList)]
pub(super) struct AdviceListResource {
    pub(super) advice: Vec<AdviceResource>,
}

/// One piece of advice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Advice)]
pub(super) struct AdviceResource {
    /// A stable name for programs.
    #[schema(example = "no_expiration")]
    code: &'static str,
    /// What was found, for people.
    message: String,
}

impl From<&Advice> for AdviceResource {
    fn from(advice: &Advice) -> Self {
        Self {
            code: advice.code(),
            message: advice.to_string(),
        }
    }
}

/// One page of the audit trail, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(super) struct AuditPageResource {
    pub(super) entries: Vec<AuditResource>,
    /// The `cursor` of the next page; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// Who did what to a key, when and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct AuditResource {
    /// A later entry has a higher number.
    number: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(example = "rotated")]
    action: String,
    key_id: String,
    /// Who did it: `key:` and an id, or as the server names people.
    actor: String,
    /// Why; empty if nobody said.
    reason: String,
    /// What exactly was done.
    #[schema(value_type = Object)]
    detail: Value,
}

impl From<&AuditEntry> for AuditResource {
    fn from(entry: &AuditEntry) -> Self {
        // What a store of somebody's own made of it may be no JSON.
        let detail = serde_json::from_str(entry.detail());
        Self {
            number: entry.number(),
            at: entry.at(),
            action: entry.action().to_string(),
            key_id: entry.key_id().to_string(),
            actor: entry.actor().to_owned(),
            reason: entry.reason().to_owned(),
            detail: detail.unwrap_or_else(|_| Value::Object(Map::default())),
        }
    }
}
