//! Rules for inserting and finding keys.

use super::expect::{
    expect_absent, expect_created, expect_eq, expect_error, expect_stored, expect_unknown, get,
    insert, list,
};
use super::fixture::{digest, id, inserting, key, key_of, prefix, version};
use super::odd;
use super::rule::Outcome;
use crate::key::digest::KeyDigest;
use crate::record::secret::SecretVersion;
use crate::store::contract::error::StoreErrorKind;
use crate::store::contract::store::Store;

rules! {
    "inserting: an unknown key is not found" => unknown,
    "inserting: a key reads back as it was inserted" => reads_back,
    "inserting: a lookup compares the whole digest" => whole_digest,
    "inserting: an id and a digest are taken once" => taken_once,
    "inserting: each of many keys is added or rejected by itself" => many,
}

async fn unknown(store: &dyn Store) -> Outcome {
    expect_absent(store, "an unknown key in an empty store", &key(1)).await?;
    insert(store, &key(2)).await?;
    expect_absent(store, "an unknown key", &key(1)).await?;
    expect_eq(
        "an unknown key, by its id",
        &get(store, id(1)).await?,
        &None,
    )
}

async fn reads_back(store: &dyn Store) -> Outcome {
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

async fn whole_digest(store: &dyn Store) -> Outcome {
    let mut records = Vec::new();
    for (number, byte) in (1..).zip([None, Some(0), Some(7), Some(15), Some(16), Some(31)]) {
        let versions = [SecretVersion::new(
            1,
            flipped(byte),
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
    for byte in [1, 8, 17, 30] {
        let what = "a digest that differs in one bit";
        expect_unknown(store, what, &flipped(Some(byte))).await?;
    }
    Ok(())
}

/// A digest with the lowest bit of one byte flipped.
fn flipped(byte: Option<usize>) -> KeyDigest {
    let mut bytes = *digest(1).as_bytes();
    if let Some(byte) = byte {
        bytes[byte] ^= 1;
    }
    KeyDigest::from_bytes(bytes)
}

async fn taken_once(store: &dyn Store) -> Outcome {
    let first = key(1).with_secret_versions([version(1, 1), version(2, 2)]);
    insert(store, &first).await?;
    let of = |number, digests: &[u64]| {
        let versions = (1..).zip(digests);
        key_of("acct_7", number)
            .with_secret_versions(versions.map(|(number, digest)| version(number, *digest)))
    };
    for (what, loser) in [
        ("the same insert again", first.clone()),
        ("a known id", of(1, &[10])),
        ("a digest of another key", of(2, &[1])),
        ("a second digest that another key has", of(2, &[10, 2])),
        ("a first digest that another key has", of(2, &[2, 10])),
        ("one digest twice", of(2, &[10, 10])),
    ] {
        let answer = store.insert(inserting(&loser)).await;
        expect_error(what, answer, StoreErrorKind::AlreadyExists)?;
        expect_stored(store, "the key that was first", &first).await?;
        expect_unknown(store, "a rejected key", &digest(10)).await?;
        expect_absent(store, "a rejected key", &of(2, &[])).await?;
    }
    let listed = list(store, "acct_7").await?;
    expect_eq("the keys of a rejected key's owner", &listed, &Vec::new())?;
    let heir = of(2, &[10]);
    insert(store, &heir).await?;
    expect_stored(store, "a key with the id of a rejected one", &heir).await
}

async fn many(store: &dyn Store) -> Outcome {
    const COUNT: u64 = 1_100;
    insert(store, &key(1)).await?;
    let none = store.insert_many(Vec::new()).await;
    expect_eq("the answers to no inserts", &none.len(), &0)?;
    let mut batch: Vec<_> = (1..=COUNT)
        .map(|number| inserting(&key_of("acct_7", number)))
        .collect();
    let limited = inserting(&key_of("acct_9", 5_000)).with_max_keys_per_owner(Some(0));
    batch.insert(5, limited);
    let answers = store.insert_many(batch).await;
    expect_eq("the answers", &(answers.len() as u64), &(COUNT + 1))?;
    for (index, answer) in answers.into_iter().enumerate() {
        match index {
            0 => expect_error("a known id of many", answer, StoreErrorKind::AlreadyExists)?,
            5 => expect_error("a key too many", answer, StoreErrorKind::TooManyKeys)?,
            _ => expect_created("one of many inserts", answer)?,
        }
    }
    expect_stored(store, "the key that was first", &key(1)).await?;
    for number in [2, 5, 999, 1_001, COUNT] {
        expect_stored(store, "one of many keys", &key_of("acct_7", number)).await?;
    }
    let count = list(store, "acct_7").await?.len() as u64;
    expect_eq("the number of keys", &count, &(COUNT - 1))
}
