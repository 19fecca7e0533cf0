//! Rules for commits.

use super::expect::{
    commit_of, expect_absent, expect_change, expect_error, expect_stored, expect_unknown, insert,
    note,
};
use super::fixture::{OWNER, at, digest, key, key_of, revocation, rotation, rotation_at, version};
use super::odd;
use super::rule::Outcome;
use super::trail::{expect_trail, issued};
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::recipient::Recipient;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;
use crate::store::contract::error::StoreErrorKind;
use crate::store::contract::store::Store;
use crate::store::contract::usage::KeyUse;

rules! {
    "committing: the next record takes the place of the key" => replaced,
    "committing: a key that does not exist is not changed" => unknown,
    "committing: the key must have the expected revision" => revision,
    "committing: a digest is taken once" => digest_taken_once,
    "committing: the digest of a dropped secret is free" => dropped,
    "committing: a deleted key leaves nothing" => deleted,
}

async fn replaced(store: &dyn Store) -> Outcome {
    let (mut record, bystander) = (full(1), full(5));
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    let update = KeyUpdate::new;
    for change in [
        KeyChange::Update(update().with_name("Reporting")),
        KeyChange::Update(update().with_scopes([Scope::WRITE, Scope::DELETE])),
        KeyChange::Update(update().with_expires_at(Some(at(9_000)))),
        KeyChange::Update(
            update()
                .with_name(odd::TEXT)
                .with_scopes(odd::scopes())
                .with_metadata(odd::metadata()),
        ),
        KeyChange::Update(
            update()
                .with_name("Named")
                .with_scopes(ScopeSet::new())
                .with_expires_at(None)
                .with_metadata(Metadata::new()),
        ),
        KeyChange::Disable,
        rotation(10),
        KeyChange::Enable,
        rotation_at(5, 20, 11),
        revocation(5, &odd::reason()),
    ] {
        record = expect_change(store, &record, &change).await?;
    }
    // A record of any kind, and not only one that a change makes.
    let recipient = Recipient::new(Scope::READ, Some(at(77)));
    let last = version(9, 99).with_recipient(Some(recipient));
    let next = record
        .clone()
        .with_changes(record.changes() + 1)
        .with_disabled(true)
        .with_secret_versions([last]);
    let mut commit = commit_of(&record, &KeyChange::Delete)?;
    commit.next = Some(next.clone().into());
    super::expect::succeeded("a commit", store.commit(commit).await)?;
    expect_stored(store, "a key with other secrets", &next).await?;
    for gone in record.secret_versions() {
        expect_unknown(store, "a secret that was dropped", gone.digest()).await?;
    }
    expect_stored(store, "another key", &bystander).await
}

async fn unknown(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    for change in [KeyChange::Disable, rotation(9), KeyChange::Delete] {
        let answer = store.commit(commit_of(&key(2), &change)?).await;
        expect_error(&change, answer, StoreErrorKind::NotFound)?;
    }
    expect_unknown(store, "the rotation of an unknown key", &digest(9)).await?;
    expect_absent(store, "an unknown key", &key(2)).await?;
    expect_stored(store, "another key", &key(1)).await
}

async fn revision(store: &dyn Store) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    let mut expected = vec![issued(&record)];
    for change in [
        KeyChange::Disable,
        rotation(10),
        revocation(1, "leaked"),
        KeyChange::Delete,
    ] {
        let revision = record.revision();
        for wrong in [0, revision - 1, revision + 1] {
            let mut commit = commit_of(&record, &change)?;
            commit.expected_revision = wrong;
            let what = format!("{change:?} of another revision");
            expect_error(&what, store.commit(commit).await, StoreErrorKind::Conflict)?;
            expect_stored(store, &what, &record).await?;
            expect_unknown(store, &what, &digest(11)).await?;
            expect_trail(store, &what, OWNER, &expected).await?;
        }
        let commit = commit_of(&record, &change)?;
        expected.insert(0, commit.audit.clone());
        record = expect_change(store, &record, &change).await?;
        if change != KeyChange::Delete {
            // The commit is not made again.
            expect_error(
                "a second commit",
                store.commit(commit).await,
                StoreErrorKind::Conflict,
            )?;
        }
        expect_trail(store, "a trail of commits", OWNER, &expected).await?;
    }
    Ok(())
}

async fn digest_taken_once(store: &dyn Store) -> Outcome {
    let other = key(3).with_secret_versions([version(1, 3), version(2, 4)]);
    insert(store, &key(1)).await?;
    insert(store, &other).await?;
    for known in [3, 4] {
        let answer = store.commit(commit_of(&key(1), &rotation(known))?).await;
        let what = "a rotation to a known digest";
        expect_error(what, answer, StoreErrorKind::AlreadyExists)?;
        expect_stored(store, "the key after a rejected rotation", &key(1)).await?;
        expect_stored(store, "the key that has the digest", &other).await?;
    }
    Ok(())
}

async fn dropped(store: &dyn Store) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    for number in 2..=12 {
        // At each second, and the others expire then.
        let change = rotation_at(number, number, 100 + number.unsigned_abs());
        record = expect_change(store, &record, &change).await?;
    }
    for dropped in [1, 102, 103, 104] {
        expect_unknown(store, "a secret that was dropped", &digest(dropped)).await?;
    }
    let heir = key(2).with_secret_versions([version(1, 102), version(2, 1)]);
    insert(store, &heir).await?;
    expect_stored(store, "a key with the digests of dropped secrets", &heir).await?;
    expect_change(store, &record, &rotation_at(13, 13, 103)).await?;
    Ok(())
}

async fn deleted(store: &dyn Store) -> Outcome {
    let (record, bystander) = (full(1), full(5));
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    expect_change(store, &record, &KeyChange::Delete).await?;
    for change in [KeyChange::Disable, KeyChange::Delete] {
        let answer = store.commit(commit_of(&record, &change)?).await;
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
