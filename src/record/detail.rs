//! What exactly was done to a key, as JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::change::KeyChange;
use super::key::KeyRecord;
use super::metadata::Metadata;
use super::moment::Moment;
use super::secret::SecretVersion;
use crate::key::token::KeyPrefix;
use crate::scope::set::ScopeSet;

/// The object of what has no detail.
pub(super) const NONE: &str = "{}";

#[derive(Serialize)]
struct Issued<'a> {
    name: &'a str,
    scopes: &'a ScopeSet,
    expires_at: Option<Timestamp>,
    metadata: &'a Metadata,
}

#[derive(Serialize)]
struct Updated<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Step<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Step<&'a ScopeSet>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Step<Option<Timestamp>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Step<&'a Metadata>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<Step<bool>>,
}

#[derive(Serialize)]
struct Step<T> {
    from: T,
    to: T,
}

#[derive(Serialize)]
struct Rotated {
    version: u32,
    prefix: KeyPrefix,
    others_retire_at: Timestamp,
}

pub(super) fn of_insert(record: &KeyRecord) -> Box<str> {
    object(&Issued {
        name: record.name(),
        scopes: record.scopes(),
        expires_at: record.expires_at(),
        metadata: record.metadata(),
    })
}

pub(super) fn of_change(
    change: &KeyChange,
    before: &KeyRecord,
    after: Option<&KeyRecord>,
) -> Box<str> {
    match (change, after) {
        (KeyChange::Update(_), Some(after)) => object(&Updated {
            name: Step::between(before.name(), after.name()),
            scopes: Step::between(before.scopes(), after.scopes()),
            expires_at: Step::between(before.expires_at(), after.expires_at()),
            metadata: Step::between(before.metadata(), after.metadata()),
            disabled: Step::between(before.is_disabled(), after.is_disabled()),
        }),
        (
            KeyChange::Rotate {
                digest,
                prefix,
                others_retire_at,
                ..
            },
            Some(after),
        ) => object(&Rotated {
            version: after
                .secret_version(digest)
                .map_or(0, SecretVersion::number),
            prefix: *prefix,
            others_retire_at: Moment::floor(*others_retire_at).timestamp(),
        }),
        _ => NONE.into(),
    }
}

impl<T: PartialEq> Step<T> {
    fn between(from: T, to: T) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }
}

fn object(value: &impl Serialize) -> Box<str> {
    // A text that is copied at its end leaves no gap, as one that is cut would: a server's allocator
    // sees one for every change.
    let mut text = Vec::with_capacity(USUAL_LEN);
    // OK because texts, lists and maps of texts can always be written as JSON, which is UTF-8.
    let written = serde_json::to_writer(&mut text, value);
    let text = std::str::from_utf8(&text).ok().filter(|_| written.is_ok());
    text.unwrap_or(NONE).into()
}

/// An object that is longer costs one more allocation.
const USUAL_LEN: usize = 512;
