//! Rules for the last use of a secret.

use jiff::Timestamp;

use super::expect::{
    commit_of, expect_absent, expect_change, expect_eq, expect_stored, insert, list, note,
    succeeded,
};
use super::fixture::{OWNER, at, id, key, revocation, rotation, version};
use super::rule::Outcome;
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::store::contract::store::Store;
use crate::store::contract::usage::KeyUse;

rules! {
    "using: the last use only moves forward" => forward,
    "using: a batch may be large and hold a key often" => large_batch,
    "using: what does not exist is left out" => left_out,
    "using: a late use undoes no commit" => late_use,
    "using: a commit keeps the last use" => kept,
}

async fn forward(store: &dyn Store) -> Outcome {
    let mut record = key(1).with_secret_versions([version(1, 1), version(2, 2)]);
    let bystander = key(3);
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    let microsecond = |microsecond| Timestamp::constant(at(30).as_second(), microsecond * 1_000);
    for (version, used_at) in [
        (1, at(-6_000)),
        (1, at(10)),
        (1, at(4)),
        (1, at(10)),
        (2, at(7)),
        (1, at(9)),
        (1, microsecond(2)),
        (1, microsecond(1)),
        (1, microsecond(3)),
        (2, at(8)),
    ] {
        note(store, &[KeyUse::new(id(1), version, used_at)]).await?;
        record = record.with_use_noted(version, used_at);
        let what = format!("a key after a use of version {version} at {used_at}");
        expect_stored(store, &what, &record).await?;
    }
    expect_stored(store, "another key", &bystander).await
}

async fn large_batch(store: &dyn Store) -> Outcome {
    const KEYS: u64 = 20;
    note(store, &[]).await?;
    let mut records = Vec::new();
    for number in 1..=KEYS {
        let versions = [version(1, number * 2), version(2, number * 2 + 1)];
        let record = key(number).with_secret_versions(versions);
        insert(store, &record).await?;
        records.push(record);
    }
    let mut uses = Vec::new();
    for step in 0..2_000_u32 {
        // Neither the first nor the last use of a key in the batch is its latest.
        let second = i64::from(step * 7_919 % 2_003) * 1_800;
        let number = u64::from(step * 31) % KEYS + 1;
        uses.push(KeyUse::new(id(number), step / 3 % 2 + 1, at(second)));
    }
    note(store, &uses).await?;
    for expected in records.iter().map(|record| after(record, &uses)) {
        expect_stored(store, "a key after a large batch of usage", &expected).await?;
    }
    Ok(())
}

async fn left_out(store: &dyn Store) -> Outcome {
    let (one, two) = (key(1), key(2));
    insert(store, &one).await?;
    insert(store, &two).await?;
    let uses = [
        KeyUse::new(id(9), 1, at(1)),
        KeyUse::new(id(1), 1, at(2)),
        KeyUse::new(id(1), 0, at(3)),
        KeyUse::new(id(1), 2, at(4)),
        KeyUse::new(id(2), u32::MAX, at(5)),
        KeyUse::new(id(2), 1, at(6)),
        KeyUse::new(id(8), 7, at(7)),
    ];
    note(store, &uses).await?;
    for record in [&one, &two] {
        let what = "a key after usage of what does not exist";
        expect_stored(store, what, &after(record, &uses)).await?;
    }
    expect_absent(store, "an unknown key after its use", &key(9)).await?;
    let count = list(store, OWNER).await?.len();
    expect_eq("the number of keys", &count, &2)?;

    // A version that comes later has no use from before.
    let rotated = expect_change(store, &after(&one, &uses), &rotation(10)).await?;
    let newest = rotated.secret_versions().first();
    let last = newest.and_then(SecretVersion::last_used_at);
    expect_eq("the last use of a new secret", &last, &None)?;
    insert(store, &key(9)).await?;
    expect_stored(store, "a key that was used before it existed", &key(9)).await
}

async fn late_use(store: &dyn Store) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    let mut second = 10;
    for change in changes() {
        record = expect_change(store, &record, &change).await?;
        second += 1;
        for version in 1..=2 {
            note(store, &[KeyUse::new(id(1), version, at(second))]).await?;
            record = record.with_use_noted(version, at(second));
        }
        let what = format!("a key that was used after {change:?}");
        expect_stored(store, &what, &record).await?;
    }
    expect_change(store, &record, &KeyChange::Delete).await?;
    note(store, &[KeyUse::new(id(1), 1, at(99))]).await?;
    expect_absent(store, "a key that was used after it was deleted", &record).await
}

async fn kept(store: &dyn Store) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    for (change, second) in changes().iter().zip(10..) {
        // The use comes after the record was read, so the next record lacks it.
        let commit = commit_of(&record, change)?;
        note(store, &[KeyUse::new(id(1), 1, at(second))]).await?;
        let next = commit.next.clone();
        succeeded(change, store.commit(commit).await)?;
        record = next.map_or(record, |next| (*next).clone());
        record = record.with_use_noted(1, at(second));
        expect_stored(store, "a key that was used before a commit", &record).await?;
    }
    Ok(())
}

/// Changes of each kind, up to the revocation.
fn changes() -> Vec<KeyChange> {
    vec![
        KeyChange::Update(KeyUpdate::new().with_name("x").with_scopes(Scope::WRITE)),
        KeyChange::Disable,
        rotation(10),
        rotation(11),
        revocation(5, "leaked"),
    ]
}

/// The record after those of the uses that are its own.
fn after(record: &KeyRecord, uses: &[KeyUse]) -> KeyRecord {
    let own = uses.iter().filter(|one| one.key() == record.id());
    own.fold(record.clone(), |record, one| {
        record.with_use_noted(one.secret_version(), one.last_used_at())
    })
}
