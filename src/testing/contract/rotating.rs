//! Rules for rotations.

use super::expect::{
    expect_change, expect_eq, expect_error, expect_stored, expect_unknown, insert,
};
use super::fixture::{at, context, digest, id, key, rotation, rotation_at, version};
use super::rule::{Outcome, Rule};
use crate::record::change::KeyChange;
use crate::record::secret::SecretVersion;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;

pub(super) const RULES: &[Rule] = &[
    Rule::new("rotating: both secrets are found", |store| {
        Box::pin(both_found(store))
    }),
    Rule::new("rotating: an end never moves later", |store| {
        Box::pin(ends(store))
    }),
    Rule::new("rotating: a digest is taken once", |store| {
        Box::pin(digest_taken_once(store))
    }),
    Rule::new("rotating: what has retired makes room", |store| {
        Box::pin(makes_room(store))
    }),
    Rule::new("rotating: what works makes no room", |store| {
        Box::pin(no_room(store))
    }),
];

async fn both_found(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(5)).await?;
    // A rotation gives a first secret to a key that has none.
    let bare = key(2).with_secret_versions([]);
    insert(store, &bare).await?;
    expect_change(store, &bare, &rotation(20)).await?;
    // Disabled and expired keys are rotated, too.
    let first = key(1)
        .with_disabled(true)
        .with_expires_at(Some(at(-5)))
        .with_secret_versions([version(1, 1).with_last_used_at(Some(at(1)))]);
    insert(store, &first).await?;
    let second = expect_change(store, &first, &rotation(10)).await?;
    let third = expect_change(store, &second, &rotation(11)).await?;
    let numbers: Vec<_> = third
        .secret_versions()
        .iter()
        .map(SecretVersion::number)
        .collect();
    expect_eq("the version numbers", &numbers, &vec![3, 2, 1])?;
    expect_stored(store, "another key", &key(5)).await
}

async fn ends(store: &dyn KeyRegistry) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    for (others_retire, expected) in [
        (100, vec![None, Some(100)]),
        (500, vec![None, Some(500), Some(100)]),
        (50, vec![None, Some(50), Some(50), Some(50)]),
        (0, vec![None, Some(0), Some(0), Some(0), Some(0)]),
    ] {
        let digest_number = 10 + record.secret_versions().len() as u64;
        let change = rotation_at(-5, others_retire, digest_number);
        record = expect_change(store, &record, &change).await?;
        let versions = record.secret_versions().iter();
        let found: Vec<_> = versions.map(SecretVersion::retires_at).collect();
        let expected: Vec<_> = expected.iter().map(|end| end.map(at)).collect();
        expect_eq("the ends of the secrets", &found, &expected)?;
    }
    Ok(())
}

async fn digest_taken_once(store: &dyn KeyRegistry) -> Outcome {
    let own = key(1).with_secret_versions([version(1, 1), version(2, 2)]);
    let other = key(3).with_secret_versions([version(1, 3), version(2, 4)]);
    insert(store, &own).await?;
    insert(store, &other).await?;
    for known in 1..=4 {
        let answer = store.apply(&own.id(), &rotation(known), &context()).await;
        let what = "a rotation to a known digest";
        expect_error(what, answer, StoreErrorKind::AlreadyExists)?;
        expect_stored(store, "the key after a refused rotation", &own).await?;
        expect_stored(store, "the key that has the digest", &other).await?;
    }
    // A digest that the same rotation would drop is known all the same.
    let versions = (1..=8)
        .map(|number| version(number, 100 + u64::from(number)).with_retires_at(Some(at(-1))));
    let full = key(100).with_secret_versions(versions);
    insert(store, &full).await?;
    let answer = store.apply(&full.id(), &rotation(101), &context()).await;
    let what = "a rotation to the digest of the oldest secret";
    expect_error(what, answer, StoreErrorKind::AlreadyExists)?;
    expect_stored(store, "the key after a refused rotation", &full).await
}

async fn makes_room(store: &dyn KeyRegistry) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    for number in 2_u32..=12 {
        // Every second, and the others end with it.
        let second = i64::from(number);
        let change = rotation_at(second, second, 100 + u64::from(number));
        record = expect_change(store, &record, &change).await?;
        let newest = record.secret_versions().first().map(SecretVersion::number);
        expect_eq("the number of the newest secret", &newest, &Some(number))?;
    }
    let kept = record.secret_versions().len();
    expect_eq(
        "the secrets of a key",
        &kept,
        &KeyChange::MAX_SECRET_VERSIONS,
    )?;
    for dropped in [1, 102, 103, 104] {
        expect_unknown(store, "a secret that was dropped", &digest(dropped)).await?;
    }
    let heir = key(2).with_secret_versions([version(1, 102), version(2, 1)]);
    insert(store, &heir).await?;
    expect_stored(store, "a key with the digests of dropped secrets", &heir).await?;

    // Of several, the oldest that has retired goes, though older ones still work.
    let versions = (1_u32..=8).map(|number| {
        let retires = matches!(number, 3 | 5).then(|| at(10));
        version(number, 200 + u64::from(number)).with_retires_at(retires)
    });
    let mixed = key(200).with_secret_versions(versions);
    insert(store, &mixed).await?;
    let mixed = expect_change(store, &mixed, &rotation_at(10, 20, 209)).await?;
    let numbers: Vec<_> = mixed
        .secret_versions()
        .iter()
        .map(SecretVersion::number)
        .collect();
    expect_eq(
        "the version numbers",
        &numbers,
        &vec![9, 8, 7, 6, 5, 4, 2, 1],
    )
}

async fn no_room(store: &dyn KeyRegistry) -> Outcome {
    let versions =
        (1_u32..=8).map(|number| version(number, u64::from(number)).with_retires_at(Some(at(100))));
    let full = key(1).with_secret_versions(versions);
    insert(store, &full).await?;
    let full = expect_change(store, &full, &rotation_at(98, 99, 9)).await?;
    expect_unknown(store, "a refused rotation", &digest(9)).await?;
    expect_eq("the id of the key", &full.id(), &id(1))?;
    insert(store, &key(9)).await?;
    expect_stored(
        store,
        "a key with the digest of a refused rotation",
        &key(9),
    )
    .await
}
