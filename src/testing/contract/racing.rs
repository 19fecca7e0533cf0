//! Rules for calls that are under way at the same time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::expect::{
    expect_absent, expect_eq, expect_error, expect_looked_up, expect_stored, expect_unknown, find,
    get, insert, list, note, succeeded,
};
use super::fixture::{OWNER, at, context, digest, id, key, revocation, rotation, version};
use super::rule::{Broken, Outcome, Rule};
use crate::record::change::{ChangeRefused, KeyChange};
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::registry::KeyRegistry;
use crate::store::usage::KeyUse;

pub(super) const RULES: &[Rule] = &[
    Rule::new("racing: one insert of a digest wins", |store| {
        Box::pin(one_digest(store))
    }),
    Rule::new("racing: one insert of an id wins", |store| {
        Box::pin(one_id(store))
    }),
    Rule::new("racing: one rotation to a digest wins", |store| {
        Box::pin(one_rotation(store))
    }),
    Rule::new("racing: all changes of a key take effect", |store| {
        Box::pin(all_take_effect(store))
    }),
    Rule::new("racing: each rotation has a number of its own", |store| {
        Box::pin(numbers(store))
    }),
    Rule::new("racing: a revocation holds against every change", |store| {
        Box::pin(revocation_holds(store))
    }),
    Rule::new("racing: a deleted key stays deleted", |store| {
        Box::pin(stays_deleted(store))
    }),
    Rule::new("racing: a secret is found during changes", |store| {
        Box::pin(found_during_changes(store))
    }),
];

/// How many calls are under way at once.
const CROWD: u64 = 16;

/// The latest use during changes, in seconds.
const LAST_USE: i64 = 16;

async fn one_digest(store: &dyn KeyRegistry) -> Outcome {
    let records: Vec<_> = (1..=CROWD)
        .map(|number| key(number).with_secret_versions([version(1, 99), version(2, number)]))
        .collect();
    one_insert_wins(store, &records).await
}

async fn one_id(store: &dyn KeyRegistry) -> Outcome {
    let records: Vec<_> = (1..=CROWD)
        .map(|number| key(99).with_secret_versions([version(1, number)]))
        .collect();
    one_insert_wins(store, &records).await
}

async fn one_insert_wins(store: &dyn KeyRegistry, records: &[KeyRecord]) -> Outcome {
    let context = context();
    let inserts = records
        .iter()
        .map(|record| store.insert(record.clone(), &context));
    let winner = one_winner(join_all(inserts).await)?;
    expect_stored(store, "the key that won", &records[winner]).await?;
    for (index, record) in records.iter().enumerate() {
        for version in record.secret_versions() {
            if records[winner].secret_version(version.digest()).is_none() {
                expect_unknown(store, "a key that lost", version.digest()).await?;
            }
        }
        if index != winner && record.id() != records[winner].id() {
            let got = get(store, record.id()).await?;
            expect_eq("a key that lost, by its id", &got, &None)?;
        }
    }
    let count = list(store, OWNER).await?.len();
    expect_eq("the number of keys", &count, &1)
}

async fn one_rotation(store: &dyn KeyRegistry) -> Outcome {
    for number in 1..=CROWD {
        insert(store, &key(number)).await?;
    }
    let (change, context) = (rotation(99), context());
    let ids: Vec<_> = (1..=CROWD).map(id).collect();
    let rotations = ids.iter().map(|id| store.apply(id, &change, &context));
    let winner = one_winner(join_all(rotations).await)?;
    for number in 1..=CROWD {
        let before = key(number);
        if id(number) == ids[winner] {
            let after = change.applied_to(&before).ok().flatten().unwrap_or(before);
            expect_stored(store, "the key that won", &after).await?;
        } else {
            expect_stored(store, "a key that lost", &before).await?;
        }
    }
    Ok(())
}

async fn all_take_effect(store: &dyn KeyRegistry) -> Outcome {
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
    let answers = changed_and_used(store, &changes).await?;
    for (answer, change) in answers.into_iter().zip(&changes) {
        succeeded(change, answer)?;
    }

    let found = present(get(store, id(1)).await?)?;
    expect_eq("the name", found.name(), "Reporting")?;
    expect_eq("the scopes", found.scopes(), &ScopeSet::from(Scope::WRITE))?;
    expect_eq("the disabling", &found.is_disabled(), &true)?;
    expect_eq("the end", &found.expires_at(), &Some(at(500)))?;
    expect_numbers(&found, 5)?;
    for number in [1, 101, 102, 103, 104] {
        let secret = present(find(store, &digest(number)).await?)?;
        expect_looked_up("a key by each of its secrets", &secret, &found)?;
    }
    expect_eq("the last use", &found.last_used_at(), &Some(at(LAST_USE)))?;
    expect_stored(store, "a key after changes at once", &found).await
}

async fn numbers(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let changes: Vec<_> = (101..=107).map(rotation).collect();
    let (key_id, context) = (id(1), context());
    let rotations = changes
        .iter()
        .map(|change| store.apply(&key_id, change, &context));
    let mut answered = Vec::new();
    for answer in join_all(rotations).await {
        let record = succeeded("a rotation", answer)?;
        answered.push(record.secret_versions().first().map(SecretVersion::number));
    }
    answered.sort_unstable();
    let expected: Vec<_> = (2..=8).map(Some).collect();
    expect_eq("the numbers that were answered", &answered, &expected)?;
    let found = present(get(store, id(1)).await?)?;
    expect_numbers(&found, 8)?;
    expect_stored(store, "a key after rotations at once", &found).await
}

async fn revocation_holds(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1).with_disabled(true)).await?;
    let changes = [
        KeyChange::Enable,
        KeyChange::Update(KeyUpdate::new().with_name("x")),
        revocation(1, "first"),
        KeyChange::Enable,
        rotation(101),
        KeyChange::Disable,
        revocation(2, "second"),
        KeyChange::Enable,
        KeyChange::Update(KeyUpdate::new().with_scopes(Scope::WRITE)),
        revocation(3, "third"),
        KeyChange::Enable,
    ];
    let answers = changed_and_used(store, &changes).await?;
    let found = present(get(store, id(1)).await?)?;
    for (answer, change) in answers.into_iter().zip(&changes) {
        if let KeyChange::Revoke(_) = change {
            let answer = succeeded(change, answer)?;
            let told = answer.revocation();
            expect_eq(
                "the revocation that was answered",
                &told,
                &found.revocation(),
            )?;
        } else if let Err(error) = answer {
            let refused = StoreErrorKind::Refused(ChangeRefused::Revoked);
            expect_error(change, Err::<(), _>(error), refused)?;
        }
    }
    expect_eq(
        "whether the key is revoked",
        &found.revocation().is_some(),
        &true,
    )?;
    expect_eq("the last use", &found.last_used_at(), &Some(at(LAST_USE)))?;
    expect_stored(store, "a revoked key", &found).await
}

async fn stays_deleted(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    insert(store, &key(2)).await?;
    let changes = [
        rotation(101),
        KeyChange::Update(KeyUpdate::new().with_name("x")),
        KeyChange::Delete,
        rotation(102),
        KeyChange::Disable,
        KeyChange::Delete,
        revocation(1, "r"),
        rotation(103),
    ];
    let answers = changed_and_used(store, &changes).await?;
    let mut deletions = 0;
    for (answer, change) in answers.into_iter().zip(&changes) {
        deletions += u32::from(answer.is_ok() && *change == KeyChange::Delete);
        match answer {
            Ok(_) => {}
            // The revocation may have come first.
            Err(error) if matches!(error.kind(), StoreErrorKind::Refused(_)) => {}
            failed => expect_error(change, failed, StoreErrorKind::NotFound)?,
        }
    }
    expect_eq("the deletions that succeeded", &deletions, &1)?;
    let secrets = [
        version(1, 1),
        version(2, 101),
        version(3, 102),
        version(4, 103),
    ];
    let deleted = key(1).with_secret_versions(secrets);
    expect_absent(store, "a deleted key", &deleted).await?;
    insert(store, &deleted).await?;
    expect_stored(store, "a key in place of a deleted one", &deleted).await?;
    expect_stored(store, "another key", &key(2)).await
}

async fn found_during_changes(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let changes: Vec<_> = (101..=107).map(rotation).collect();
    let (key_id, context) = (id(1), context());
    let applied = join_all(
        changes
            .iter()
            .map(|change| store.apply(&key_id, change, &context)),
    );
    let looked_up = join_all((0..CROWD * 4).map(|_| async {
        let found = present(find_once(store, 1).await?)?;
        let version = found.secret_version(&digest(1));
        expect_eq(
            "whether the record has the digest",
            &version.is_some(),
            &true,
        )
    }));
    let (answers, found) = join(applied, looked_up).await;
    for answer in answers {
        succeeded("a rotation", answer)?;
    }
    found.into_iter().collect()
}

/// The index of the one call that succeeded; the others found that something exists already.
fn one_winner(answers: Vec<Result<Arc<KeyRecord>, StoreError>>) -> Outcome<usize> {
    let mut winners = Vec::new();
    for (index, answer) in answers.into_iter().enumerate() {
        if answer.is_ok() {
            winners.push(index);
        } else {
            let what = "a call that came second";
            expect_error(what, answer, StoreErrorKind::AlreadyExists)?;
        }
    }
    expect_eq("the calls that won", &winners.len(), &1)?;
    Ok(winners[0])
}

fn expect_numbers(record: &KeyRecord, count: u32) -> Outcome {
    let versions = record.secret_versions().iter();
    let found: Vec<_> = versions.map(SecretVersion::number).collect();
    let expected: Vec<_> = (1..=count).rev().collect();
    expect_eq("the version numbers", &found, &expected)
}

/// The answers to changes of the first key, which is used meanwhile. Of half of the changes, the
/// uses are begun before them, and of the others after them.
async fn changed_and_used(
    store: &dyn KeyRegistry,
    changes: &[KeyChange],
) -> Outcome<Vec<Result<Arc<KeyRecord>, StoreError>>> {
    let applied = |changes: &[KeyChange]| {
        let changes = changes.iter().cloned();
        join_all(changes.map(async |change| store.apply(&id(1), &change, &context()).await))
    };
    let used =
        |seconds: RangeInclusive<i64>| join_all(seconds.map(|second| use_of_first(store, second)));
    let (first, second) = changes.split_at(changes.len() / 2);
    let (noted, mut answers) = join(used(1..=8), applied(first)).await;
    noted.into_iter().collect::<Outcome>()?;
    let (later, noted) = join(applied(second), used(9..=LAST_USE)).await;
    noted.into_iter().collect::<Outcome>()?;
    answers.extend(later);
    Ok(answers)
}

async fn use_of_first(store: &dyn KeyRegistry, second: i64) -> Outcome {
    note(store, &[KeyUse::new(id(1), 1, at(second))]).await
}

/// `find` alone: two look-ups may well see two states during changes.
async fn find_once(store: &dyn KeyRegistry, number: u64) -> Outcome<Option<Arc<KeyRecord>>> {
    succeeded("`find`", store.find(&digest(number)).await)
}

fn present(found: Option<Arc<KeyRecord>>) -> Outcome<Arc<KeyRecord>> {
    found.ok_or_else(|| Broken::new("expected the key, found none"))
}
