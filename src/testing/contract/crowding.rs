//! Rules for conditions, entries and counts of calls that are under way at the same time.

use futures_util::future::join_all;

use super::counting::{ALWAYS, sums};
use super::expect::{
    expect_eq, expect_error, expect_record, expect_stored, get, insert, list, send, succeeded,
};
use super::fixture::{OWNER, another_writer, at, context, id, key, rotation};
use super::rule::{Outcome, Rule};
use super::trail::{expect_trail, issued, trail};
use crate::record::action::AuditAction;
use crate::record::audit::AuditEntry;
use crate::record::change::{ChangeRefused, KeyChange};
use crate::record::update::KeyUpdate;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;
use crate::store::usage::{KeyUse, UsageBatch};

pub(super) const RULES: &[Rule] = &[
    Rule::new("racing: an owner has no more keys than allowed", |store| {
        Box::pin(limit(store))
    }),
    Rule::new("racing: an idempotency key adds one key", |store| {
        Box::pin(idempotency(store))
    }),
    Rule::new("racing: one change of a revision wins", |store| {
        Box::pin(one_change(store))
    }),
    Rule::new("racing: each change leaves its entry", |store| {
        Box::pin(entries(store))
    }),
    Rule::new("racing: all counts add up", |store| Box::pin(counts(store))),
];

/// How many calls are under way at once.
const CROWD: u64 = 16;

async fn limit(store: &dyn KeyRegistry) -> Outcome {
    const MOST: u64 = 5;
    let context = context().with_max_keys_of_owner(MOST);
    let inserts = (1..=CROWD).map(|number| store.insert(key(number), &context));
    let mut added = Vec::new();
    for answer in join_all(inserts).await {
        match answer {
            Ok(record) => added.push(record.id()),
            failed => {
                let refused = StoreErrorKind::Refused(ChangeRefused::TooManyKeys);
                expect_error("a key too many", failed, refused)?;
            }
        }
    }
    expect_eq("the keys that were added", &(added.len() as u64), &MOST)?;
    let listed: Vec<_> = list(store, OWNER)
        .await?
        .iter()
        .map(|key| key.id())
        .collect();
    added.sort_unstable();
    expect_eq("the keys of the owner", &listed, &added)?;
    let entries = trail(store, OWNER).await?.len();
    expect_eq("the entries", &(entries as u64), &MOST)
}

async fn idempotency(store: &dyn KeyRegistry) -> Outcome {
    let context = context().with_idempotency_key([7; 32]);
    let inserts = (1..=CROWD).map(|number| store.insert(key(number), &context));
    let mut answered = Vec::new();
    for answer in join_all(inserts).await {
        answered.push(succeeded(
            "an insert with a shared idempotency key",
            answer,
        )?);
    }
    let listed = list(store, OWNER).await?;
    expect_eq("the number of keys", &listed.len(), &1)?;
    let added = &listed[0];
    for record in &answered {
        expect_record("an answer with a shared idempotency key", record, added)?;
    }
    expect_stored(store, "the key that was added", added).await?;
    let entries = [AuditEntry::of_insert(added, &context)];
    expect_trail(store, "inserts of one key", OWNER, &entries).await
}

async fn one_change(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let context = context().with_expected_revision(key(1).revision());
    let names = (1..=CROWD).map(|number| format!("name {number}"));
    let changes: Vec<_> = names
        .map(|name| KeyChange::Update(KeyUpdate::new().with_name(name)))
        .collect();
    let key_id = id(1);
    let applied = changes
        .iter()
        .map(|change| store.apply(&key_id, change, &context));
    let mut winners = Vec::new();
    for answer in join_all(applied).await {
        match answer {
            Ok(record) => winners.push(record),
            late => expect_error("a late change", late, StoreErrorKind::RevisionMismatch)?,
        }
    }
    expect_eq("the changes that won", &winners.len(), &1)?;
    expect_stored(store, "a key after one change", &winners[0]).await?;
    expect_eq("the entries", &trail(store, OWNER).await?.len(), &2)
}

async fn entries(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let first = key(1);
    let changes: Vec<_> = (101..=107).map(rotation).collect();
    let (key_id, context) = (id(1), context());
    let applied = changes
        .iter()
        .map(|change| store.apply(&key_id, change, &context));
    for answer in join_all(applied).await {
        succeeded("a rotation", answer)?;
    }
    let changes = get(store, id(1)).await?.map(|found| found.changes());
    expect_eq("the changes of the key", &changes, &Some(7))?;
    let mut trail = trail(store, OWNER).await?;
    let inserted = trail.pop().map(|entry| entry.with_number(0));
    expect_eq("the first entry", &inserted, &Some(issued(&first)))?;
    // The order of the entries is that of the versions.
    let found: Vec<_> = trail
        .iter()
        .map(|entry| entry.detail().to_owned())
        .collect();
    let versions: Vec<_> = (2..=8)
        .rev()
        .map(|number| format!("{{\"version\":{number},"))
        .collect();
    expect_eq("the number of rotations", &found.len(), &versions.len())?;
    for (found, expected) in found.iter().zip(&versions) {
        let what = format!("whether {found} is of {expected}");
        expect_eq(what, &found.starts_with(expected), &true)?;
    }
    let rotated = |entry: &AuditEntry| entry.action() == AuditAction::Rotated;
    expect_eq(
        "whether all are rotations",
        &trail.iter().all(rotated),
        &true,
    )
}

async fn counts(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let one = KeyUse::new(id(1), 1, at(1)).with_allowed(2).with_refused(1);
    let repeated = UsageBatch::new(another_writer(), 1, [one.clone()]);
    let others: Vec<_> = (0..CROWD)
        .map(|_| UsageBatch::new(another_writer(), 1, [one.clone()]))
        .collect();
    let again = std::iter::repeat_n(&repeated, others.len());
    let batches = others.iter().chain(again);
    let sent = join_all(batches.map(|batch| send(store, batch))).await;
    sent.into_iter().collect::<Outcome>()?;
    let expected = [(at(0), 1, 2 * (CROWD + 1), CROWD + 1)];
    expect_eq(
        "the sums",
        &sums(store, 1, ALWAYS).await?,
        &expected.to_vec(),
    )
}
