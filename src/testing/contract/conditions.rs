//! Rules for what must hold for a change to be made.

use super::expect::{
    expect_absent, expect_eq, expect_error, expect_record, expect_stored, insert, list, succeeded,
};
use super::fixture::{OWNER, at, context, id, key, key_of, revocation, rotation, version};
use super::rule::{Outcome, Rule};
use super::trail::trail;
use crate::record::change::{ChangeRefused, KeyChange};
use crate::record::context::ChangeContext;
use crate::record::update::KeyUpdate;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "conditions: a change needs the expected revision",
        |store| Box::pin(revision(store)),
    ),
    Rule::new(
        "conditions: an owner has no more keys than allowed",
        |store| Box::pin(limit(store)),
    ),
    Rule::new("conditions: an idempotency key adds one key", |store| {
        Box::pin(idempotency(store))
    }),
    Rule::new(
        "conditions: a deleted key's idempotency key is free",
        |store| Box::pin(deletion(store)),
    ),
    Rule::new("conditions: old idempotency keys are forgotten", |store| {
        Box::pin(forgotten(store))
    }),
    Rule::new("conditions: many keys mind none that is for one", |store| {
        Box::pin(many(store))
    }),
];

async fn revision(store: &dyn KeyRegistry) -> Outcome {
    // An insert does not mind it.
    let mut record = key(1);
    let context = context();
    let expecting = context.clone().with_expected_revision(7);
    succeeded("an insert", store.insert(record.clone(), &expecting).await)?;
    let mut changes = 0;
    for change in [
        KeyChange::Update(KeyUpdate::new()),
        KeyChange::Update(KeyUpdate::new().with_name("x")),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(10),
        revocation(1, "leaked"),
        revocation(2, "again"),
        KeyChange::Delete,
    ] {
        for wrong in [0, record.revision() - 1, record.revision() + 1] {
            let context = context.clone().with_expected_revision(wrong);
            let answer = store.apply(&record.id(), &change, &context).await;
            let what = format!("{change:?} of another revision");
            expect_error(&what, answer, StoreErrorKind::RevisionMismatch)?;
            expect_stored(store, &what, &record).await?;
            let entries = trail(store, OWNER).await?.len();
            expect_eq("the entries", &entries, &(1 + changes))?;
        }
        let context = context.clone().with_expected_revision(record.revision());
        let answer = store.apply(&record.id(), &change, &context).await;
        let answer = succeeded(&change, answer)?;
        if let Ok(Some(after)) = change.applied_to(&record) {
            expect_record("the answer to a change", &answer, &after)?;
            expect_stored(store, "a key of the expected revision", &after).await?;
            changes += usize::from(after != record);
            record = after;
        }
    }
    expect_absent(store, "a key deleted at its revision", &record).await?;
    let answer = store
        .apply(&record.id(), &KeyChange::Disable, &expecting)
        .await;
    expect_error("a change of no key", answer, StoreErrorKind::NotFound)
}

async fn limit(store: &dyn KeyRegistry) -> Outcome {
    let refused = StoreErrorKind::Refused(ChangeRefused::TooManyKeys);
    let at_most = |count| context().with_max_keys_of_owner(count);
    let answer = store.insert(key(1), &at_most(0)).await;
    expect_error("a first key where none is allowed", answer, refused)?;
    expect_absent(store, "a key too many", &key(1)).await?;

    // Others' keys do not count, nor those that are revoked.
    insert(store, &key_of("acct_7", 100)).await?;
    insert(store, &key_of("ACCT_42", 101)).await?;
    for record in [
        key(1),
        key(2).with_disabled(true),
        key(3).with_expires_at(Some(at(-1))),
    ] {
        let answer = store.insert(record, &at_most(3)).await;
        succeeded("a key of as many as are allowed", answer)?;
    }
    for count in [0, 1, 3] {
        let answer = store.insert(key(4), &at_most(count)).await;
        expect_error("a key too many", answer, refused)?;
    }
    expect_absent(store, "a key too many", &key(4)).await?;
    expect_eq("the entries", &trail(store, OWNER).await?.len(), &3)?;
    for (number, change) in [(1, revocation(1, "leaked")), (2, KeyChange::Delete)] {
        let answer = store.apply(&id(number), &change, &context()).await;
        succeeded(&change, answer)?;
        let answer = store.insert(key(10 + number), &at_most(3)).await;
        succeeded("a key in place of one that ended", answer)?;
        let answer = store.insert(key(20 + number), &at_most(3)).await;
        expect_error("a key too many", answer, refused)?;
    }
    let answer = store.insert(key(30), &at_most(u64::MAX >> 11)).await;
    succeeded("a key of very many", answer)?;
    insert(store, &key(31)).await
}

async fn idempotency(store: &dyn KeyRegistry) -> Outcome {
    let sent = |octet| context().with_idempotency_key([octet; 32]);
    // An insert that fails takes no idempotency key.
    insert(store, &key(9)).await?;
    let known = key(1).with_secret_versions([version(1, 9)]);
    let answer = store.insert(known, &sent(1)).await;
    expect_error(
        "an insert of a known digest",
        answer,
        StoreErrorKind::AlreadyExists,
    )?;
    let answer = store
        .insert(key(1), &sent(1).with_max_keys_of_owner(1))
        .await;
    let refused = StoreErrorKind::Refused(ChangeRefused::TooManyKeys);
    expect_error("a key too many", answer, refused)?;

    let first = succeeded("an insert", store.insert(key(1), &sent(1)).await)?;
    expect_record("the answer to an insert", &first, &key(1))?;
    let entries = trail(store, OWNER).await?.len();
    let again = [
        ("another key", key(2)),
        ("the same key", key(1)),
        ("a known id", key(9)),
        (
            "a known digest",
            key(3).with_secret_versions([version(1, 9)]),
        ),
        ("a key of another owner", key_of("acct_7", 4)),
    ];
    let mut now = key(1);
    for change in [
        KeyChange::Update(KeyUpdate::new().with_name("renamed")),
        rotation(10),
        revocation(5, "leaked"),
    ] {
        for (what, record) in &again {
            let limited = sent(1).with_max_keys_of_owner(0);
            let answer = store.insert(record.clone(), &limited).await;
            let what = format!("{what} with a known idempotency key");
            expect_record(&what, &*succeeded(&what, answer)?, &now)?;
        }
        let answer = store.apply(&id(1), &change, &context()).await;
        now = (*succeeded(&change, answer)?).clone();
    }
    for number in [2, 3] {
        let nothing = key(number).with_secret_versions([version(1, number)]);
        expect_absent(store, "a key that was not added", &nothing).await?;
    }
    expect_absent(store, "a key that was not added", &key_of("acct_7", 4)).await?;
    expect_stored(store, "the key that was added", &now).await?;
    let left = trail(store, OWNER).await?.len();
    expect_eq("the entries after 3 changes", &left, &(entries + 3))?;

    let answer = store.insert(key(5), &sent(2)).await;
    let other = succeeded("an insert with another idempotency key", answer)?;
    expect_record("the answer to an insert", &other, &key(5))?;
    insert(store, &key(6)).await
}

async fn deletion(store: &dyn KeyRegistry) -> Outcome {
    let sent = context().with_idempotency_key([1; 32]);
    for number in 1..=3 {
        let answer = store.insert(key(number), &sent).await;
        let inserted = succeeded("an insert", answer)?;
        expect_record("the answer to an insert", &inserted, &key(number))?;
        let deleted = store
            .apply(&id(number), &KeyChange::Delete, &context())
            .await;
        succeeded("a deletion", deleted)?;
    }
    // A key in place of a deleted one has not its idempotency key.
    insert(store, &key(3)).await?;
    let answer = store.insert(key(4), &sent).await;
    let inserted = succeeded("an insert", answer)?;
    expect_record("the answer to an insert", &inserted, &key(4))
}

async fn forgotten(store: &dyn KeyRegistry) -> Outcome {
    let sent = |second, octet| ChangeContext::new(at(second)).with_idempotency_key([octet; 32]);
    for (number, second, octet) in [(1, 10, 1), (2, 20, 2)] {
        let answer = store.insert(key(number), &sent(second, octet)).await;
        succeeded("an insert", answer)?;
    }
    succeeded(
        "`forget_audit_before`",
        store.forget_audit_before(at(20)).await,
    )?;
    for (number, octet, expected) in [(3, 1, 3), (4, 2, 2), (5, 1, 3)] {
        let answer = store.insert(key(number), &sent(30, octet)).await;
        let answer = succeeded("an insert", answer)?;
        expect_record("the answer to an insert", &answer, &key(expected))?;
    }
    Ok(())
}

async fn many(store: &dyn KeyRegistry) -> Outcome {
    let sent = context()
        .with_idempotency_key([1; 32])
        .with_max_keys_of_owner(1)
        .with_expected_revision(1);
    let records: Vec<_> = (1..=3).map(key).collect();
    for (answer, record) in store
        .insert_many(records.clone(), &sent)
        .await
        .into_iter()
        .zip(&records)
    {
        let inserted = succeeded("one of many inserts", answer)?;
        expect_record("the answer to one of many inserts", &inserted, record)?;
    }
    expect_eq("the number of keys", &list(store, OWNER).await?.len(), &3)?;
    let alone = context().with_idempotency_key([1; 32]);
    let inserted = succeeded("an insert", store.insert(key(4), &alone).await)?;
    expect_record("the answer to an insert", &inserted, &key(4))
}
