//! Rules for calls that are under way at the same time.

use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::counting::{bucket, expect_buckets, set, used};
use super::expect::{
    commit_of, expect_absent, expect_eq, expect_error, expect_existing, expect_looked_up,
    expect_stored, expect_unknown, find, get, insert, list, note, send, succeeded,
};
use super::fixture::{
    OWNER, another_writer, at, context, digest, id, inserting, key, rotation, version,
};
use super::rule::{Broken, Outcome};
use super::trail::trail;
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::store::Store;
use crate::store::contract::usage::{KeyUse, UsageBatch};
use crate::store::contract::write::{ActingKey, Inserted};
use crate::testing::apply::apply;

rules! {
    "racing: one insert of a digest wins" => one_digest,
    "racing: one insert of an id wins" => one_id,
    "racing: one rotation to a digest wins" => one_rotation,
    "racing: one commit of a revision wins" => one_commit,
    "racing: of two keys that change each other, one wins" => each_other,
    "racing: all changes of a key take effect" => all_take_effect,
    "racing: an owner has no more keys than allowed" => limit,
    "racing: an idempotency key adds one key" => idempotency,
    "racing: a secret is found during commits" => found_during_commits,
    "racing: all usage is counted" => usage,
}

/// How many calls are under way at once.
const CROWD: u64 = 16;

async fn one_digest(store: &dyn Store) -> Outcome {
    let records: Vec<_> = (1..=CROWD)
        .map(|number| key(number).with_secret_versions([version(1, 99), version(2, number)]))
        .collect();
    one_insert_wins(store, &records).await
}

async fn one_id(store: &dyn Store) -> Outcome {
    let records: Vec<_> = (1..=CROWD)
        .map(|number| key(99).with_secret_versions([version(1, number)]))
        .collect();
    one_insert_wins(store, &records).await
}

async fn one_insert_wins(store: &dyn Store, records: &[KeyRecord]) -> Outcome {
    let inserts = records.iter().map(|record| store.insert(inserting(record)));
    let winner = one_winner(join_all(inserts).await, StoreErrorKind::AlreadyExists)?;
    expect_stored(store, "the key that won", &records[winner]).await?;
    for record in records {
        for version in record.secret_versions() {
            if records[winner].secret_version(version.digest()).is_none() {
                expect_unknown(store, "a key that lost", version.digest()).await?;
            }
        }
        if record.id() != records[winner].id() {
            let got = get(store, record.id()).await?;
            expect_eq("a key that lost, by its id", &got, &None)?;
        }
    }
    let count = list(store, OWNER).await?.len();
    expect_eq("the number of keys", &count, &1)
}

async fn one_rotation(store: &dyn Store) -> Outcome {
    let mut commits = Vec::new();
    for number in 1..=CROWD {
        insert(store, &key(number)).await?;
        commits.push(commit_of(&key(number), &rotation(99))?);
    }
    let nexts: Vec<_> = commits.iter().map(|commit| commit.next.clone()).collect();
    let answers = join_all(commits.into_iter().map(|commit| store.commit(commit))).await;
    let winner = one_winner(answers, StoreErrorKind::AlreadyExists)?;
    for (index, number) in (1..=CROWD).enumerate() {
        match &nexts[index] {
            Some(next) if index == winner => expect_stored(store, "the winner", next).await?,
            _ => expect_stored(store, "a key that lost", &key(number)).await?,
        }
    }
    Ok(())
}

async fn one_commit(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    let mut changes: Vec<_> = (1..=CROWD)
        .map(|number| KeyChange::Update(KeyUpdate::new().with_name(format!("name {number}"))))
        .collect();
    changes.extend((101..=104).map(rotation));
    let commits: Outcome<Vec<_>> = changes
        .iter()
        .map(|change| commit_of(&key(1), change))
        .collect();
    let commits = commits?;
    let nexts: Vec<_> = commits.iter().map(|commit| commit.next.clone()).collect();
    let committed = join_all(commits.into_iter().map(|commit| store.commit(commit)));
    let uses = join_all((1..=8).map(|second| used_at(store, second)));
    let (answers, noted) = join(committed, uses).await;
    noted.into_iter().collect::<Outcome>()?;
    let winner = one_winner(answers, StoreErrorKind::Conflict)?;
    if let Some(next) = &nexts[winner] {
        let next = KeyRecord::clone(next).with_use_noted(1, at(8));
        expect_stored(store, "a key after one commit", &next).await?;
    }
    let entries = trail(store, OWNER).await?;
    expect_eq("the entries", &entries.len(), &2)?;

    // Of deletions, too.
    insert(store, &key(2)).await?;
    let delete = commit_of(&key(2), &KeyChange::Delete)?;
    let deletions = (0..CROWD).map(|_| store.commit(delete.clone()));
    one_winner(join_all(deletions).await, StoreErrorKind::NotFound)?;
    expect_absent(store, "a deleted key", &key(2)).await
}

async fn each_other(store: &dyn Store) -> Outcome {
    for number in 1..=CROWD {
        let pair = [key(number), key(100 + number)];
        for record in &pair {
            insert(store, record).await?;
        }
        let [one, other] = &pair;
        let commit = |changed: &KeyRecord, acting| {
            let commit = commit_of(changed, &KeyChange::Disable)?;
            Ok(store.commit(commit.with_acting(Some(acting_as(acting)))))
        };
        let answers = join_all([commit(one, other)?, commit(other, one)?]).await;
        one_winner(answers, StoreErrorKind::Conflict)?;
    }
    Ok(())
}

fn acting_as(record: &KeyRecord) -> ActingKey {
    ActingKey {
        id: record.id(),
        revision: record.revision(),
    }
}

async fn all_take_effect(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    let update = KeyUpdate::new;
    let changes = [
        rotation(101),
        KeyChange::Update(update().with_name("Reporting")),
        rotation(102),
        KeyChange::Update(update().with_scopes(Scope::WRITE)),
        KeyChange::Disable,
        rotation(103),
        KeyChange::Update(update().with_expires_at(Some(at(500)))),
        rotation(104),
    ];
    let (key_id, context) = (id(1), context());
    let applied = changes
        .iter()
        .map(|change| apply(store, &key_id, change, &context));
    let uses = join_all((1..=CROWD).map(|second| used_at(store, second)));
    let (answers, noted) = join(join_all(applied), uses).await;
    noted.into_iter().collect::<Outcome>()?;
    for (answer, change) in answers.into_iter().zip(&changes) {
        succeeded(change, answer)?;
    }

    let found = present(get(store, id(1)).await?)?;
    expect_eq("the name", found.name(), "Reporting")?;
    expect_eq("the scopes", found.scopes(), &ScopeSet::from(Scope::WRITE))?;
    expect_eq("whether it is disabled", &found.is_disabled(), &true)?;
    expect_eq("the expiration", &found.expires_at(), &Some(at(500)))?;
    expect_eq("the changes", &found.changes(), &8)?;
    let versions = found.secret_versions().iter();
    let numbers: Vec<_> = versions.map(SecretVersion::number).collect();
    expect_eq("the version numbers", &numbers[..], &[5, 4, 3, 2, 1])?;
    for number in [1, 101, 102, 103, 104] {
        let secret = present(find(store, &digest(number)).await?)?;
        expect_looked_up("a key by each of its secrets", &secret, &found)?;
    }
    expect_eq("the last use", &found.last_used_at(), &Some(at(16)))?;
    expect_eq("the entries", &trail(store, OWNER).await?.len(), &9)?;
    expect_stored(store, "a key after changes at once", &found).await
}

async fn limit(store: &dyn Store) -> Outcome {
    const MOST: u64 = 5;
    let inserts = (1..=CROWD)
        .map(|number| inserting(&key(number)).with_max_keys_per_owner(Some(MOST)))
        .map(|insert| store.insert(insert));
    let mut added = Vec::new();
    for (answer, number) in join_all(inserts).await.into_iter().zip(1..) {
        match answer {
            Ok(_) => added.insert(0, id(number)),
            failed => expect_error("a key too many", failed, StoreErrorKind::TooManyKeys)?,
        }
    }
    expect_eq("the keys that were added", &(added.len() as u64), &MOST)?;
    let listed = list(store, OWNER).await?;
    let listed: Vec<_> = listed.iter().map(|key| key.id()).collect();
    expect_eq("the keys of the owner", &listed, &added)?;
    let entries = trail(store, OWNER).await?.len();
    expect_eq("the entries", &(entries as u64), &MOST)
}

async fn idempotency(store: &dyn Store) -> Outcome {
    let sent = |number| inserting(&key(number)).with_idempotency_key(Some([7; 32]));
    let inserts = (1..=CROWD).map(|number| store.insert(sent(number)));
    let answers = join_all(inserts).await;
    let listed = list(store, OWNER).await?;
    expect_eq("the number of keys", &listed.len(), &1)?;
    let mut created = 0;
    for answer in answers {
        match succeeded("an insert with a shared idempotency key", answer)? {
            Inserted::Created => created += 1,
            Inserted::Existing(found) => expect_eq("an existing key", &found, &listed[0])?,
        }
    }
    expect_eq("the answers of a created key", &created, &1)?;
    expect_eq("the entries", &trail(store, OWNER).await?.len(), &1)?;
    expect_existing(store, "an insert after them", sent(99), &listed[0]).await
}

async fn found_during_commits(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    let changes: Vec<_> = (101..=107).map(rotation).collect();
    let (key_id, context) = (id(1), context());
    let applied = changes
        .iter()
        .map(|change| apply(store, &key_id, change, &context));
    // `find` alone: two lookups may see two states.
    let lookups = (0..CROWD * 4).map(|_| async {
        let found = present(succeeded("`find`", store.find(&digest(1)).await)?)?;
        let has_digest = found.secret_version(&digest(1)).is_some();
        expect_eq("whether the record has the digest", &has_digest, &true)
    });
    let (answers, found) = join(join_all(applied), join_all(lookups)).await;
    for answer in answers {
        succeeded("a rotation", answer)?;
    }
    found.into_iter().collect()
}

async fn usage(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    let one = |number: u64| {
        let scope = ["read", "write", "a"][(number % 3) as usize];
        used(1, 1, 1, 2, 1).with_exercised(set(scope))
    };
    let repeated = UsageBatch::new(another_writer(), 1, [one(0)]);
    let others: Vec<_> = (0..CROWD)
        .map(|number| UsageBatch::new(another_writer(), 1, [one(number)]))
        .collect();
    let again = std::iter::repeat_n(&repeated, others.len());
    let batches = others.iter().chain(again);
    let sent = join_all(batches.map(|batch| send(store, batch))).await;
    sent.into_iter().collect::<Outcome>()?;
    let expected = bucket(0, 1, 2 * (CROWD + 1), CROWD + 1).with_scopes(set("read write a"));
    expect_buckets(store, "of usage at once", 1, &[expected]).await
}

/// The index of the one call that succeeded; the others failed with this kind.
fn one_winner<T>(answers: Vec<Result<T, StoreError>>, kind: StoreErrorKind) -> Outcome<usize> {
    let mut winners = Vec::new();
    for (index, answer) in answers.into_iter().enumerate() {
        if answer.is_ok() {
            winners.push(index);
        } else {
            expect_error("a call that came second", answer, kind)?;
        }
    }
    expect_eq("the calls that won", &winners.len(), &1)?;
    Ok(winners[0])
}

async fn used_at(store: &dyn Store, second: u64) -> Outcome {
    note(store, &[KeyUse::new(id(1), 1, at(second.cast_signed()))]).await
}

fn present(found: Option<Arc<KeyRecord>>) -> Outcome<Arc<KeyRecord>> {
    found.ok_or_else(|| Broken::new("expected the key, found none"))
}
