//! Rules for what must hold for an insert or a commit.

use super::expect::{
    commit, commit_of, expect_absent, expect_change, expect_created, expect_eq, expect_error,
    expect_existing, expect_stored, insert, succeeded,
};
use super::fixture::{OWNER, at, inserting, key, key_of, revocation, rotation, version};
use super::rule::Outcome;
use super::trail::{expect_trail, trail};
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::key::KeyRecord;
use crate::record::update::KeyUpdate;
use crate::store::contract::error::StoreErrorKind;
use crate::store::contract::store::Store;
use crate::store::contract::write::{ActingKey, Insert};

rules! {
    "conditions: the acting key must be unchanged" => acting,
    "conditions: the acting key may be the changed key" => acting_on_itself,
    "conditions: an owner has no more keys than allowed" => limit,
    "conditions: an idempotency key adds one key" => idempotency,
    "conditions: an idempotency key belongs to its owner" => of_its_owner,
    "conditions: a deleted key's idempotency key is free" => free,
    "conditions: old idempotency keys are pruned" => pruned,
}

fn acting_as(record: &KeyRecord) -> ActingKey {
    ActingKey {
        id: record.id(),
        revision: record.revision(),
    }
}

async fn acting(store: &dyn Store) -> Outcome {
    let mut actor = key(1);
    insert(store, &actor).await?;
    let mut record = key(2);
    insert(store, &record).await?;
    let missing = ActingKey {
        id: key(9).id(),
        ..acting_as(&actor)
    };
    let mut digest_number = 100;
    for change in [
        KeyChange::Disable,
        KeyChange::Update(KeyUpdate::new().with_name("x")),
        revocation(1, "leaked"),
    ] {
        let before = acting_as(&actor);
        let inserted = key_of("acct_7", digest_number);
        let answer = store.insert(inserting(&inserted).with_acting(Some(before)));
        expect_created("an insert on behalf of an unchanged key", answer.await)?;
        let commit = commit_of(&record, &rotation(digest_number + 1))?;
        let next = commit.next.clone();
        let answer = store.commit(commit.with_acting(Some(before))).await;
        succeeded("a commit on behalf of an unchanged key", answer)?;
        record = next.map_or(record, |next| (*next).clone());
        expect_stored(store, "a key changed on behalf of another", &record).await?;

        actor = expect_change(store, &actor, &change).await?;
        let entries = trail(store, OWNER).await?;
        let entries: Vec<_> = entries.into_iter().map(|one| one.with_number(0)).collect();
        let later = ActingKey {
            revision: actor.revision() + 1,
            ..before
        };
        for (what, acting) in [
            ("on behalf of a changed key", before),
            ("on behalf of a later revision", later),
            ("on behalf of a missing key", missing),
        ] {
            let new = key(digest_number + 2);
            let answer = store.insert(inserting(&new).with_acting(Some(acting)));
            expect_error(
                format!("an insert {what}"),
                answer.await,
                StoreErrorKind::Conflict,
            )?;
            expect_absent(store, "a rejected key", &new).await?;
            for change in [rotation(digest_number + 3), KeyChange::Delete] {
                let commit = commit_of(&record, &change)?.with_acting(Some(acting));
                let what = format!("{change:?} {what}");
                expect_error(&what, store.commit(commit).await, StoreErrorKind::Conflict)?;
                expect_stored(store, &what, &record).await?;
            }
            expect_trail(store, "rejected changes", OWNER, &entries).await?;
        }
        digest_number += 10;
    }
    expect_change(store, &actor, &KeyChange::Delete).await?;
    let answer = store.insert(inserting(&key(3)).with_acting(Some(acting_as(&actor))));
    expect_error(
        "an insert on behalf of a deleted key",
        answer.await,
        StoreErrorKind::Conflict,
    )?;
    expect_absent(store, "a rejected key", &key(3)).await
}

async fn acting_on_itself(store: &dyn Store) -> Outcome {
    let mut record = key(1);
    insert(store, &record).await?;
    for change in [KeyChange::Disable, rotation(10), KeyChange::Delete] {
        let acting = acting_as(&record);
        let other = ActingKey {
            revision: acting.revision + 1,
            ..acting
        };
        let commit = commit_of(&record, &change)?;
        let answer = store.commit(commit.clone().with_acting(Some(other))).await;
        expect_error(
            "a commit of another revision",
            answer,
            StoreErrorKind::Conflict,
        )?;
        expect_stored(store, "a key after a rejected commit", &record).await?;
        let next = commit.next.clone();
        let answer = store.commit(commit.with_acting(Some(acting))).await;
        succeeded("a commit on behalf of the changed key", answer)?;
        match next {
            Some(next) => {
                record = (*next).clone();
                expect_stored(store, "a key changed on its own behalf", &record).await?;
            }
            None => expect_absent(store, "a key deleted on its own behalf", &record).await?,
        }
    }
    Ok(())
}

async fn limit(store: &dyn Store) -> Outcome {
    let at_most =
        |record: &KeyRecord, count| inserting(record).with_max_keys_per_owner(Some(count));
    let too_many = StoreErrorKind::TooManyKeys;
    let answer = store.insert(at_most(&key(1), 0)).await;
    expect_error("a first key where none is allowed", answer, too_many)?;
    expect_absent(store, "a key too many", &key(1)).await?;

    // Others' keys do not count, nor those that are revoked.
    insert(store, &key_of("acct_7", 100)).await?;
    insert(store, &key_of("ACCT_42", 101)).await?;
    let disabled = key(2).with_disabled(true);
    for record in [&key(1), &disabled, &key(3).with_expires_at(Some(at(-1)))] {
        expect_created(
            "a key of as many as allowed",
            store.insert(at_most(record, 3)).await,
        )?;
    }
    for count in [0, 1, 3] {
        let answer = store.insert(at_most(&key(4), count)).await;
        expect_error("a key too many", answer, too_many)?;
    }
    expect_absent(store, "a key too many", &key(4)).await?;
    expect_eq("the entries", &trail(store, OWNER).await?.len(), &3)?;
    for (record, change) in [
        (key(1), revocation(1, "leaked")),
        (disabled, KeyChange::Delete),
    ] {
        let number = if change == KeyChange::Delete { 12 } else { 11 };
        commit(store, &record, &change).await?;
        let answer = store.insert(at_most(&key(number), 3)).await;
        expect_created("a key in place of one that is revoked or deleted", answer)?;
        let answer = store.insert(at_most(&key(number + 10), 3)).await;
        expect_error("a key too many", answer, too_many)?;
    }
    let answer = store.insert(at_most(&key(30), u64::MAX)).await;
    expect_created("a key of very many", answer)?;
    insert(store, &key(31)).await
}

fn sent(record: &KeyRecord, byte: u8) -> Insert {
    inserting(record).with_idempotency_key(Some([byte; 32]))
}

async fn idempotency(store: &dyn Store) -> Outcome {
    // An insert that fails does not use its idempotency key.
    insert(store, &key(9)).await?;
    let known = key(1).with_secret_versions([version(1, 9)]);
    let answer = store.insert(sent(&known, 1)).await;
    expect_error("a known digest", answer, StoreErrorKind::AlreadyExists)?;
    let answer = store.insert(sent(&key(1), 1).with_max_keys_per_owner(Some(1)));
    expect_error("a key too many", answer.await, StoreErrorKind::TooManyKeys)?;

    expect_created("an insert", store.insert(sent(&key(1), 1)).await)?;
    let entries = trail(store, OWNER).await?.len();
    let again = [
        ("another key", key(2)),
        ("the same key", key(1)),
        ("a known id", key(9)),
        (
            "a known digest",
            key(3).with_secret_versions([version(1, 9)]),
        ),
    ];
    let mut now = key(1);
    for change in [
        KeyChange::Update(KeyUpdate::new().with_name("renamed")),
        rotation(10),
        revocation(5, "leaked"),
    ] {
        for (what, record) in &again {
            let what = format!("{what} with a known idempotency key");
            let limited = sent(record, 1).with_max_keys_per_owner(Some(0));
            expect_existing(store, &what, limited, &now).await?;
        }
        now = commit(store, &now, &change).await?;
    }
    expect_absent(store, "a key that was not added", &key(2)).await?;
    expect_stored(store, "the key that was added", &now).await?;
    let left = trail(store, OWNER).await?.len();
    expect_eq("the entries after 3 changes", &left, &(entries + 3))?;
    expect_created(
        "another idempotency key",
        store.insert(sent(&key(5), 2)).await,
    )?;
    insert(store, &key(6)).await
}

async fn of_its_owner(store: &dyn Store) -> Outcome {
    let other = key_of("acct_7", 2);
    expect_created("an insert", store.insert(sent(&key(1), 1)).await)?;
    let answer = store.insert(sent(&other, 1)).await;
    expect_created("the idempotency key of another owner", answer)?;
    expect_stored(store, "the key of another owner", &other).await?;
    expect_existing(store, "the first owner's again", sent(&key(3), 1), &key(1)).await?;
    let again = sent(&key_of("acct_7", 4), 1);
    expect_existing(store, "the second owner's again", again, &other).await
}

async fn free(store: &dyn Store) -> Outcome {
    for number in 1..=2 {
        let record = key(number);
        expect_created("an insert", store.insert(sent(&record, 1)).await)?;
        commit(store, &record, &KeyChange::Delete).await?;
    }
    // A key in place of a deleted one does not have its idempotency key.
    insert(store, &key(2)).await?;
    expect_created("an insert", store.insert(sent(&key(4), 1)).await)
}

async fn pruned(store: &dyn Store) -> Outcome {
    let sent = |number, second, byte| {
        Insert::new(key(number), &ChangeContext::new(at(second)))
            .with_idempotency_key(Some([byte; 32]))
    };
    for number in [1_u8, 2] {
        let answer = store.insert(sent(u64::from(number), i64::from(number) * 10, number));
        expect_created("an insert", answer.await)?;
    }
    let pruned = store.prune_audit_before(at(20)).await;
    succeeded("`prune_audit_before`", pruned)?;
    expect_created(
        "a pruned idempotency key",
        store.insert(sent(3, 30, 1)).await,
    )?;
    expect_existing(store, "a kept idempotency key", sent(4, 30, 2), &key(2)).await?;
    expect_existing(store, "a key that was used again", sent(5, 30, 1), &key(3)).await
}
