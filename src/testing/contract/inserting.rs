//! Rules for inserting and finding keys.

use super::expect::{
    expect_absent, expect_eq, expect_error, expect_record, expect_stored, expect_unknown, find,
    get, insert, list,
};
use super::fixture::{context, digest, id, key, key_of, prefix, version};
use super::odd;
use super::rule::{Outcome, Rule};
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;

pub(super) const RULES: &[Rule] = &[
    Rule::new("inserting: an unknown key is not found", |store| {
        Box::pin(unknown(store))
    }),
    Rule::new("inserting: a key reads back as it was inserted", |store| {
        Box::pin(reads_back(store))
    }),
    Rule::new("inserting: a look-up goes by the whole digest", |store| {
        Box::pin(whole_digest(store))
    }),
    Rule::new("inserting: an id is taken once", |store| {
        Box::pin(id_taken_once(store))
    }),
    Rule::new("inserting: a digest is taken once", |store| {
        Box::pin(digest_taken_once(store))
    }),
];

async fn unknown(store: &dyn KeyRegistry) -> Outcome {
    expect_absent(store, "an unknown key in an empty store", &key(1)).await?;
    insert(store, &key(2)).await?;
    expect_absent(store, "an unknown key", &key(1)).await?;
    expect_eq(
        "an unknown key, by its id",
        &get(store, id(1)).await?,
        &None,
    )
}

async fn reads_back(store: &dyn KeyRegistry) -> Outcome {
    let records = odd::records();
    for (what, record) in &records {
        insert(store, record).await?;
        expect_stored(store, what, record).await?;
    }
    // None has disturbed another.
    for (what, record) in &records {
        expect_stored(store, what, record).await?;
    }
    Ok(())
}

async fn whole_digest(store: &dyn KeyRegistry) -> Outcome {
    let mut records = Vec::new();
    for (number, octet) in (1..).zip([None, Some(0), Some(7), Some(15), Some(16), Some(31)]) {
        let versions = [SecretVersion::new(
            1,
            flipped(octet),
            prefix(1),
            key(1).created_at(),
        )];
        let record = key(number).with_secret_versions(versions);
        insert(store, &record).await?;
        records.push(record);
    }
    for record in &records {
        expect_stored(store, "a key whose digest is like another's", record).await?;
    }
    for octet in [1, 8, 17, 30] {
        let what = "a digest that differs in one bit";
        expect_unknown(store, what, &flipped(Some(octet))).await?;
    }
    Ok(())
}

/// A digest with the lowest bit of one octet flipped.
fn flipped(octet: Option<usize>) -> KeyDigest {
    let mut octets = *digest(1).as_bytes();
    if let Some(octet) = octet {
        octets[octet] ^= 1;
    }
    KeyDigest::from_bytes(octets)
}

async fn id_taken_once(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let exists = StoreErrorKind::AlreadyExists;
    expect_error(
        "the same insert again",
        store.insert(key(1), &context()).await,
        exists,
    )?;

    let loser = key_of("acct_7", 1).with_secret_versions([version(1, 2), version(2, 3)]);
    let answer = store.insert(loser, &context()).await;
    expect_error("an insert of a known id", answer, exists)?;
    expect_stored(store, "the key that was first", &key(1)).await?;
    for number in [2, 3] {
        expect_unknown(store, "a key whose id was known", &digest(number)).await?;
    }
    let listed = list(store, "acct_7").await?;
    expect_eq("the keys of a refused key's owner", &listed, &Vec::new())?;

    let heir = key(2).with_secret_versions([version(1, 2), version(2, 3)]);
    insert(store, &heir).await?;
    expect_stored(store, "a key with the digests of a refused one", &heir).await
}

async fn digest_taken_once(store: &dyn KeyRegistry) -> Outcome {
    let first = key(1).with_secret_versions([version(1, 1), version(2, 2)]);
    insert(store, &first).await?;
    let losers: [(&str, &[SecretVersion]); 5] = [
        ("a digest of another key", &[version(1, 1)]),
        ("the second digest of another key", &[version(1, 2)]),
        (
            "a second digest that another key has",
            &[version(1, 10), version(2, 1)],
        ),
        (
            "a first digest that another key has",
            &[version(1, 2), version(2, 10)],
        ),
        ("one digest twice", &[version(1, 10), version(2, 10)]),
    ];
    for (what, versions) in losers {
        let loser = key_of("acct_7", 2).with_secret_versions(versions.iter().cloned());
        let answer = store.insert(loser, &context()).await;
        expect_error(what, answer, StoreErrorKind::AlreadyExists)?;
        expect_stored(store, "the key that was first", &first).await?;
        expect_unknown(store, "a key that was refused", &digest(10)).await?;
        let nothing = KeyRecord::new(id(2), "acct_7", "CI", key(2).created_at());
        expect_absent(store, "a key that was refused", &nothing).await?;
    }
    let heir = key_of("acct_7", 2).with_secret_versions([version(1, 10)]);
    insert(store, &heir).await?;
    expect_stored(store, "a key with the id of a refused one", &heir).await?;
    match find(store, &digest(1)).await? {
        Some(found) => expect_record("the key that was first", &found, &first),
        None => expect_stored(store, "the key that was first", &first).await,
    }
}
