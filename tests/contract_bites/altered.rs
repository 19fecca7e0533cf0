//! Records as a careless store alters them.

use jiff::Timestamp;
use tower_api_key::record::{KeyChange, KeyRecord, KeyUpdate, Revocation, SecretVersion};

pub(crate) fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap()
}

pub(crate) fn truncated(record: &KeyRecord) -> KeyRecord {
    let versions = record.secret_versions().iter().map(|version| {
        let created_at = second(version.created_at());
        SecretVersion::new(
            version.number(),
            *version.digest(),
            version.prefix(),
            created_at,
        )
        .with_retires_at(version.retires_at().map(second))
        .with_last_used_at(version.last_used_at().map(second))
    });
    KeyRecord::new(
        record.id(),
        record.owner(),
        record.name(),
        second(record.created_at()),
    )
    .with_scopes(record.scopes().clone())
    .with_expires_at(record.expires_at().map(second))
    .with_disabled(record.is_disabled())
    .with_revocation(
        record
            .revocation()
            .map(|one| Revocation::new(second(one.at()), one.reason())),
    )
    .with_metadata(record.metadata().clone())
    .with_changes(record.changes())
    .with_secret_versions(versions)
}

pub(crate) fn renamed(record: &KeyRecord, name: &str) -> KeyRecord {
    let update = KeyChange::Update(KeyUpdate::new().with_name(name));
    let renamed = update.applied_to(&record.clone().with_revocation(None));
    let renamed = renamed.unwrap().unwrap();
    renamed
        .with_revocation(record.revocation().cloned())
        .with_changes(record.changes())
}

pub(crate) fn unused(record: &KeyRecord) -> KeyRecord {
    let versions = record.secret_versions().iter().cloned();
    let versions = versions.map(|version| version.with_last_used_at(None));
    record.clone().with_secret_versions(versions)
}
