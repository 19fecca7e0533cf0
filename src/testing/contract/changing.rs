//! Rules for updating, disabling, revoking and deleting keys.

use super::expect::{
    expect_absent, expect_change, expect_error, expect_stored, expect_unknown, insert, note,
};
use super::fixture::{at, context, digest, id, key, key_of, revocation, rotation, version};
use super::odd;
use super::rule::{Outcome, Rule};
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::revocation::Revocation;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;
use crate::store::usage::KeyUse;

pub(super) const RULES: &[Rule] = &[
    Rule::new("changing: an unknown key is not changed", |store| {
        Box::pin(unknown(store))
    }),
    Rule::new("changing: an update changes only what it names", |store| {
        Box::pin(update(store))
    }),
    Rule::new("changing: a disabled key can be enabled", |store| {
        Box::pin(disable(store))
    }),
    Rule::new("changing: a revocation is final", |store| {
        Box::pin(revoke(store))
    }),
    Rule::new("changing: a deleted key leaves nothing", |store| {
        Box::pin(delete(store))
    }),
];

async fn unknown(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    for change in every_change() {
        let answer = store.apply(&id(2), &change, &context()).await;
        expect_error(&change, answer, StoreErrorKind::NotFound)?;
    }
    expect_unknown(store, "the rotation of an unknown key", &digest(9)).await?;
    expect_absent(store, "an unknown key", &key(2)).await?;
    expect_stored(store, "another key", &key(1)).await
}

async fn update(store: &dyn KeyRegistry) -> Outcome {
    let (mut record, bystander) = (full(1), full(5));
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    let update = KeyUpdate::new;
    for update in [
        update(),
        update().with_name("Reporting"),
        update().with_scopes([Scope::WRITE, Scope::DELETE]),
        update().with_expires_at(Some(at(9_000))),
        update().with_name(odd::TEXT),
        update().with_scopes(odd::scopes()),
        update().with_scopes(ScopeSet::new()),
        update().with_expires_at(None),
        update().with_metadata(odd::metadata()),
        update().with_metadata(Metadata::new().with("team", "payments")),
        update().with_name("Named"),
        update().with_metadata(Metadata::new()),
        update().with_disabled(true),
        update().with_name("Disabled still"),
        update().with_disabled(false).with_name("Enabled"),
        update()
            .with_name("All")
            .with_disabled(true)
            .with_scopes(Scope::READ)
            .with_expires_at(Some(at(-1))),
    ] {
        record = expect_change(store, &record, &KeyChange::Update(update)).await?;
    }
    expect_stored(store, "another key", &bystander).await
}

async fn disable(store: &dyn KeyRegistry) -> Outcome {
    let (mut record, bystander) = (full(1), full(5));
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    for change in [
        KeyChange::Disable,
        KeyChange::Disable,
        KeyChange::Enable,
        KeyChange::Enable,
        KeyChange::Disable,
    ] {
        record = expect_change(store, &record, &change).await?;
    }
    expect_stored(store, "another key", &bystander).await
}

async fn revoke(store: &dyn KeyRegistry) -> Outcome {
    let bystander = full(5);
    insert(store, &bystander).await?;
    for (number, reason) in [
        (1, "leaked".to_owned()),
        (2, String::new()),
        (3, odd::reason()),
    ] {
        let mut record = full(number * 10);
        insert(store, &record).await?;
        record = expect_change(store, &record, &revocation(5, &reason)).await?;
        for change in [revocation(4, "earlier"), revocation(6, "later")] {
            record = expect_change(store, &record, &change).await?;
        }
        for change in every_change() {
            // A deletion comes last.
            record = expect_change(store, &record, &change).await?;
        }
        expect_unknown(store, "the rotation of a revoked key", &digest(9)).await?;
    }
    expect_stored(store, "another key", &bystander).await
}

async fn delete(store: &dyn KeyRegistry) -> Outcome {
    let (record, bystander) = (full(1), full(5));
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    expect_change(store, &record, &KeyChange::Delete).await?;
    for change in every_change() {
        let answer = store.apply(&record.id(), &change, &context()).await;
        expect_error(&change, answer, StoreErrorKind::NotFound)?;
    }
    note(store, &[KeyUse::new(record.id(), 1, at(50))]).await?;
    expect_absent(store, "a deleted key", &record).await?;

    // Its id and its digests are free, and nothing of it comes back with them.
    let heir = key_of("acct_7", 1).with_secret_versions([version(1, 2)]);
    insert(store, &heir).await?;
    expect_stored(store, "a key with the id of a deleted one", &heir).await?;
    let other = key(9).with_secret_versions([version(1, 1), version(2, 3)]);
    insert(store, &other).await?;
    expect_stored(store, "a key with the digests of a deleted one", &other).await?;
    expect_stored(store, "another key", &bystander).await
}

/// A key with something in every field but a revocation; it has the digests from `number` on.
fn full(number: u64) -> KeyRecord {
    let versions = [
        version(1, number)
            .with_retires_at(Some(at(100)))
            .with_last_used_at(Some(at(20))),
        version(2, number + 1)
            .with_retires_at(Some(at(200)))
            .with_last_used_at(Some(at(10))),
        version(3, number + 2),
    ];
    key(number)
        .with_scopes([Scope::READ, Scope::from_static("orders:refund")])
        .with_expires_at(Some(at(1_000)))
        .with_metadata(Metadata::new().with("environment", "production"))
        .with_changes(7)
        .with_secret_versions(versions)
}

/// One change of each kind; the deletion is the last.
fn every_change() -> Vec<KeyChange> {
    vec![
        KeyChange::Update(KeyUpdate::new()),
        KeyChange::Update(KeyUpdate::new().with_name("x").with_expires_at(None)),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(9),
        KeyChange::Revoke(Revocation::new(at(7), "again")),
        KeyChange::Delete,
    ]
}
