//! Rules for inserting many keys.

use super::expect::{
    expect_absent, expect_eq, expect_error, expect_record, expect_stored, expect_unknown, insert,
    list, succeeded,
};
use super::fixture::{context, digest, key, key_of, version};
use super::rule::{Outcome, Rule};
use crate::record::key::KeyRecord;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;

pub(super) const RULES: &[Rule] = &[
    Rule::new("bulk: each key is added or refused by itself", |store| {
        Box::pin(by_itself(store))
    }),
    Rule::new("bulk: a batch may be empty or large", |store| {
        Box::pin(sizes(store))
    }),
];

async fn by_itself(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let two_secrets = |number, first, second| {
        key_of("acct_7", number).with_secret_versions([version(1, first), version(2, second)])
    };
    let batch: [(&str, KeyRecord, bool); 10] = [
        ("a good key", key_of("acct_7", 2), true),
        ("an id that the store has", two_secrets(1, 50, 51), false),
        ("a digest that the store has", two_secrets(3, 52, 1), false),
        ("a good key after bad ones", key_of("acct_7", 4), true),
        ("an id that the batch has", two_secrets(4, 53, 54), false),
        ("a digest that the batch has", two_secrets(5, 55, 4), false),
        ("one digest twice", two_secrets(6, 56, 56), false),
        ("the digests of refused keys", two_secrets(7, 50, 55), true),
        ("the id of a refused key", two_secrets(5, 57, 58), true),
        ("the last key", key_of("acct_7", 8), true),
    ];
    let records: Vec<_> = batch.iter().map(|(_, record, _)| record.clone()).collect();
    let answers = store.insert_many(records, &context()).await;
    expect_eq("the number of answers", &answers.len(), &batch.len())?;
    for (answer, (what, record, good)) in answers.into_iter().zip(&batch) {
        if *good {
            let inserted = succeeded(what, answer)?;
            expect_record(&format!("the answer to {what}"), &inserted, record)?;
            expect_stored(store, what, record).await?;
        } else {
            expect_error(what, answer, StoreErrorKind::AlreadyExists)?;
        }
    }
    for refused in [51, 52, 53, 54, 56] {
        expect_unknown(store, "a refused key", &digest(refused)).await?;
    }
    for refused in [3, 6] {
        let nothing = key_of("acct_7", refused).with_secret_versions([]);
        expect_absent(store, "a refused key", &nothing).await?;
    }
    expect_stored(store, "the key that was first", &key(1)).await
}

async fn sizes(store: &dyn KeyRegistry) -> Outcome {
    const COUNT: u64 = 1_200;
    let none = store.insert_many(Vec::new(), &context()).await;
    expect_eq("the answers to an empty batch", &none.len(), &0)?;
    let record = |number| key_of("acct_7", number);
    let answers = store
        .insert_many((1..=COUNT).map(record).collect(), &context())
        .await;
    expect_eq("the number of answers", &(answers.len() as u64), &COUNT)?;
    for (answer, number) in answers.into_iter().zip(1..) {
        let inserted = succeeded("a key of a large batch", answer)?;
        expect_record("an answer to a large batch", &inserted, &record(number))?;
    }
    for number in [1, 999, 1_000, 1_001, COUNT] {
        expect_stored(store, "a key of a large batch", &record(number)).await?;
    }
    let count = list(store, "acct_7").await?.len();
    expect_eq("the number of keys", &(count as u64), &COUNT)
}
