//! Rules for notes of use.

use jiff::Timestamp;

use super::expect::{
    expect_absent, expect_change, expect_eq, expect_stored, get, insert, list, note,
};
use super::fixture::{OWNER, at, id, key, revocation, rotation, version};
use super::rule::{Outcome, Rule};
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::store::registry::KeyRegistry;
use crate::store::usage::KeyUse;

pub(super) const RULES: &[Rule] = &[
    Rule::new("using: the last use only moves forwards", |store| {
        Box::pin(forwards(store))
    }),
    Rule::new(
        "using: a batch may be large and hold a key often",
        |store| Box::pin(large_batch(store)),
    ),
    Rule::new("using: what does not exist is left out", |store| {
        Box::pin(left_out(store))
    }),
    Rule::new("using: a late use undoes no change", |store| {
        Box::pin(late_use(store))
    }),
    Rule::new("using: a change keeps the last use", |store| {
        Box::pin(kept(store))
    }),
];

async fn forwards(store: &dyn KeyRegistry) -> Outcome {
    let mut record = key(1).with_secret_versions([version(1, 1), version(2, 2)]);
    let bystander = key(3);
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    let microsecond = |microsecond| Timestamp::constant(at(30).as_second(), microsecond * 1_000);
    for (version, used_at) in [
        (1, at(-6_600_000_000)),
        (1, Timestamp::constant(0, -1_000)),
        (1, at(10)),
        (1, at(4)),
        (1, at(10)),
        (2, at(7)),
        (1, at(9)),
        (1, microsecond(2)),
        (1, microsecond(1)),
        (1, microsecond(3)),
        (2, at(8)),
        (2, at(200_000_000_000)),
        (2, at(31)),
    ] {
        note(store, &[KeyUse::new(id(1), version, used_at)]).await?;
        record = record.with_use_noted(version, used_at);
        let what = format!("a key after a use of version {version} at {used_at}");
        expect_stored(store, &what, &record).await?;
    }
    expect_stored(store, "another key", &bystander).await
}

async fn large_batch(store: &dyn KeyRegistry) -> Outcome {
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
    // Twice, since a batch may be sent again.
    for _ in 0..2 {
        note(store, &uses).await?;
        let expected = records.iter().map(|record| after(record, &uses));
        for expected in expected {
            expect_stored(store, "a key after a large batch of uses", &expected).await?;
        }
    }
    Ok(())
}

async fn left_out(store: &dyn KeyRegistry) -> Outcome {
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
        let what = "a key after uses of what does not exist";
        expect_stored(store, what, &after(record, &uses)).await?;
    }
    for unknown in [8, 9] {
        expect_absent(store, "an unknown key after its use", &key(unknown)).await?;
    }
    let count = list(store, OWNER).await?.len();
    expect_eq("the number of keys", &count, &2)?;

    // A version that comes later has no use from before.
    let rotated = expect_change(store, &after(&one, &uses), &rotation(10)).await?;
    let last = rotated
        .secret_versions()
        .first()
        .and_then(SecretVersion::last_used_at);
    expect_eq("the last use of a new secret", &last, &None)?;
    insert(store, &key(9)).await?;
    expect_stored(store, "a key that was used before it existed", &key(9)).await
}

async fn late_use(store: &dyn KeyRegistry) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    let mut second = 10;
    for change in changes() {
        record = expect_change(store, &record, &change).await?;
        second += 1;
        for version in 1..=2 {
            let used = KeyUse::new(id(1), version, at(second));
            note(store, &[used]).await?;
            record = record.with_use_noted(version, at(second));
        }
        let what = format!("a key that was used after {change:?}");
        expect_stored(store, &what, &record).await?;
    }
    expect_change(store, &record, &KeyChange::Delete).await?;
    note(store, &[KeyUse::new(id(1), 1, at(99))]).await?;
    expect_absent(store, "a key that was used after it was deleted", &record).await
}

async fn kept(store: &dyn KeyRegistry) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    for (change, second) in changes().iter().zip(10..) {
        note(store, &[KeyUse::new(id(1), 1, at(second))]).await?;
        record = record.with_use_noted(1, at(second));
        record = expect_change(store, &record, change).await?;
    }
    let found = get(store, id(1)).await?;
    let last = found.and_then(|found| found.last_used_at());
    expect_eq("the last use of a key", &last, &record.last_used_at())
}

/// Changes of each kind, up to the revocation.
fn changes() -> Vec<KeyChange> {
    vec![
        KeyChange::Update(KeyUpdate::new().with_name("x").with_scopes(Scope::WRITE)),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(10),
        rotation(11),
        KeyChange::Disable,
        revocation(5, "leaked"),
        revocation(6, "again"),
    ]
}

/// The record after those of the uses that are its own.
fn after(record: &KeyRecord, uses: &[KeyUse]) -> KeyRecord {
    let own = uses.iter().filter(|one| one.key() == record.id());
    own.fold(record.clone(), |record, one| {
        record.with_use_noted(one.secret_version(), one.last_used_at())
    })
}
