//! What stands in Redis for a record.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::names::{RECORD_FIELD, version_of_use};
use crate::key::digest::KeyDigest;
use crate::key::token::KeyPrefix;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::moment::from_microsecond as time;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::scope::set::ScopeSet;

/// A record without its last uses, which have fields of their own: no change writes them back.
///
/// A field that is not known might restrict the key, so it is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey<'a> {
    format: u32,
    id: KeyId,
    #[serde(borrow)]
    owner: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    scopes: Cow<'a, ScopeSet>,
    created: i64,
    expires: Option<i64>,
    disabled: bool,
    changes: u32,
    #[serde(default, skip_serializing_if = "is_empty")]
    metadata: Cow<'a, Metadata>,
    #[serde(borrow)]
    revoked: Option<StoredRevocation<'a>>,
    #[serde(borrow)]
    secrets: Vec<StoredSecret<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRevocation<'a> {
    at: i64,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSecret<'a> {
    number: u32,
    #[serde(borrow)]
    digest: Cow<'a, str>,
    prefix: KeyPrefix,
    created: i64,
    retires: Option<i64>,
}

const FORMAT: u32 = 1;

fn is_empty(metadata: &Metadata) -> bool {
    metadata.is_empty()
}

/// The text that stands for a record.
pub(super) fn text_of(record: &KeyRecord) -> Result<String, serde_json::Error> {
    let secrets = record.secret_versions().iter().map(|version| StoredSecret {
        number: version.number(),
        digest: hex::encode(version.digest().as_bytes()).into(),
        prefix: version.prefix(),
        created: microsecond(version.created_at()),
        retires: version.retires_at().map(microsecond),
    });
    serde_json::to_string(&StoredKey {
        format: FORMAT,
        id: record.id(),
        owner: record.owner().into(),
        name: record.name().into(),
        scopes: Cow::Borrowed(record.scopes()),
        created: microsecond(record.created_at()),
        expires: record.expires_at().map(microsecond),
        disabled: record.is_disabled(),
        changes: record.changes(),
        metadata: Cow::Borrowed(record.metadata()),
        revoked: record.revocation().map(|revocation| StoredRevocation {
            at: microsecond(revocation.at()),
            reason: revocation.reason().into(),
        }),
        secrets: secrets.collect(),
    })
}

/// The record that the fields of a key stand for, if they do.
pub(super) fn record_of(id: &KeyId, fields: &[(&[u8], &[u8])]) -> Option<KeyRecord> {
    let stored: StoredKey<'_> = serde_json::from_slice(record_text(fields)?).ok()?;
    if stored.format != FORMAT || stored.id != *id {
        return None;
    }
    let versions: Option<Vec<_>> = stored
        .secrets
        .iter()
        .map(|secret| {
            let digest = KeyDigest::from_hex(&secret.digest).ok()?;
            let used = fields
                .iter()
                .find(|(field, _)| version_of_use(field) == Some(secret.number));
            let used_at = match used {
                None | Some((_, b"")) => None,
                Some((_, digits)) => Some(time_of_digits(digits)?),
            };
            let created_at = time(secret.created).ok()?;
            let version = SecretVersion::new(secret.number, digest, secret.prefix, created_at)
                .with_retires_at(secret.retires.map(time).transpose().ok()?)
                .with_last_used_at(used_at);
            Some(version)
        })
        .collect();
    let revocation = match stored.revoked {
        Some(revoked) => Some(Revocation::new(time(revoked.at).ok()?, revoked.reason)),
        None => None,
    };
    let created_at = time(stored.created).ok()?;
    let record = KeyRecord::new(*id, stored.owner, stored.name, created_at)
        .with_scopes(stored.scopes.into_owned())
        .with_expires_at(stored.expires.map(time).transpose().ok()?)
        .with_disabled(stored.disabled)
        .with_changes(stored.changes)
        .with_revocation(revocation)
        .with_secret_versions(versions?);
    if stored.metadata.is_empty() {
        return Some(record);
    }
    Some(record.with_metadata(stored.metadata.into_owned()))
}

/// The text of the record among the fields of a key.
pub(super) fn record_text<'a>(fields: &[(&[u8], &'a [u8])]) -> Option<&'a [u8]> {
    let field = fields.iter().find(|(field, _)| *field == RECORD_FIELD);
    field.map(|(_, text)| *text)
}

/// A time as digits: as many for every time, so that texts compare as times.
pub(super) fn digits_of_time(at: Timestamp) -> String {
    // From 1970 the years -9999 to 9999 are less than 4 × 10¹⁷ µs away: 19 digits, none negative.
    format!("{:019}", microsecond(at) + OFFSET)
}

/// The time of these digits, if they are one.
fn time_of_digits(digits: &[u8]) -> Option<Timestamp> {
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    time(number.checked_sub(OFFSET)?).ok()
}

const OFFSET: i64 = 1_000_000_000_000_000_000;

/// The microseconds since 1970, rounded down.
pub(super) fn microsecond(at: Timestamp) -> i64 {
    // OK because jiff's years, -9999 to 9999, fit.
    i64::try_from(at.as_nanosecond().div_euclid(1_000)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_times_compare_as_the_times() {
        let edges = [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH];
        let mut microseconds: Vec<_> = edges.map(microsecond).to_vec();
        microseconds.extend([-1, 1, microsecond(Timestamp::MAX) - 1, (1 << 53) + 1]);
        microseconds.push(microsecond(Timestamp::MIN) + 1);
        microseconds.sort_unstable();
        let digits: Vec<_> = microseconds
            .iter()
            .map(|one| digits_of_time(time(*one).unwrap()))
            .collect();
        assert!(digits.is_sorted_by(|one, two| one < two), "{digits:?}");
        for (digits, microsecond) in digits.iter().zip(microseconds) {
            assert_eq!(digits.len(), 19);
            assert_eq!(time_of_digits(digits.as_bytes()), time(microsecond).ok());
        }
    }

    #[test]
    fn times_are_rounded_down() {
        let at = Timestamp::from_nanosecond(-1).unwrap();
        assert_eq!(microsecond(at), -1);
        assert_eq!(microsecond(Timestamp::from_nanosecond(1_999).unwrap()), 1);
    }
}
