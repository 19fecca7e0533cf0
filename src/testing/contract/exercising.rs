//! Rules for the scopes that keys exercise.

use futures_util::future::{join, join_all};
use jiff::Timestamp;

use super::expect::{expect_change, expect_eq, insert, note, send, succeeded};
use super::fixture::{
    another_writer, at, context, id, key, revocation, rotation, rotation_at, version,
};
use super::rule::{Outcome, Rule};
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;
use crate::store::registry::KeyRegistry;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::{KeyUse, UsageBatch};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "exercising: the first and the last hour of a scope are told",
        |store| Box::pin(hours(store)),
    ),
    Rule::new("exercising: scopes need no counts", |store| {
        Box::pin(without_counts(store))
    }),
    Rule::new("exercising: scopes are compared octet by octet", |store| {
        Box::pin(names(store))
    }),
    Rule::new(
        "exercising: a batch that was counted widens nothing",
        |store| Box::pin(once(store)),
    ),
    Rule::new(
        "exercising: what does not exist exercises nothing",
        |store| Box::pin(left_out(store)),
    ),
    Rule::new("exercising: other scopes begin anew", |store| {
        Box::pin(begun_anew(store))
    }),
    Rule::new("exercising: no other change forgets", |store| {
        Box::pin(kept(store))
    }),
    Rule::new("exercising: nothing of a deleted key stays", |store| {
        Box::pin(deleted(store))
    }),
    Rule::new("exercising: what many tell at once is kept", |store| {
        Box::pin(at_once(store))
    }),
];

const HOUR: i64 = 3_600;

/// A scope, and its first and last hour, counted from the start of 2026.
type Hours<'a> = (&'a str, i64, i64);

async fn expect_uses(
    store: &dyn KeyRegistry,
    what: &str,
    number: u64,
    expected: &[Hours<'_>],
) -> Outcome {
    let found = succeeded("`scope_uses`", store.scope_uses(&id(number)).await)?;
    let expected = expected
        .iter()
        .map(|(name, first, last)| ScopeUse::new(scope(name), at(first * HOUR), at(last * HOUR)));
    let what = format!("the exercised scopes {what}");
    expect_eq(what, &found, &expected.collect::<Vec<_>>())
}

fn used(number: u64, version: u32, second: i64, scopes: &str) -> KeyUse {
    KeyUse::new(id(number), version, at(second))
        .with_allowed(1)
        .with_exercised(set(scopes))
}

fn scope(name: &str) -> Scope {
    // OK because the rules name scopes only.
    Scope::new(name).expect("a scope")
}

fn set(names: &str) -> ScopeSet {
    // OK because the rules name scopes only.
    names.parse().expect("scopes")
}

fn holding(number: u64, scopes: &str) -> KeyRecord {
    key(number).with_scopes(set(scopes))
}

async fn hours(store: &dyn KeyRegistry) -> Outcome {
    let rotated =
        holding(1, "read write a").with_secret_versions([version(1, 1), version(2, 1_001)]);
    insert(store, &rotated).await?;
    insert(store, &holding(2, "read")).await?;
    expect_uses(store, "of a key without uses", 1, &[]).await?;
    note(
        store,
        &[used(1, 1, 5 * HOUR + 9, "read a"), used(2, 1, 9, "read")],
    )
    .await?;
    let first = [("a", 5, 5), ("read", 5, 5)];
    expect_uses(store, "after their first hour", 1, &first).await?;
    // In one batch, several hours and versions.
    let several = [
        used(1, 2, 7 * HOUR, "a"),
        used(1, 1, 6 * HOUR, "a write"),
        used(1, 2, 8 * HOUR - 1, "write"),
        used(1, 1, 9 * HOUR, ""),
    ];
    note(store, &several).await?;
    let later = [("a", 5, 7), ("read", 5, 5), ("write", 6, 7)];
    expect_uses(store, "after later hours", 1, &later).await?;
    // Late news of an early hour, and one in between.
    note(store, &[used(1, 1, -1, "a"), used(1, 1, 6 * HOUR, "a")]).await?;
    let earlier = [("a", -1, 7), ("read", 5, 5), ("write", 6, 7)];
    expect_uses(store, "after an earlier hour", 1, &earlier).await?;
    expect_uses(store, "of another key", 2, &[("read", 0, 0)]).await?;
    let forgotten = store.forget_usage_before(Timestamp::MAX).await;
    succeeded("`forget_usage_before`", forgotten)?;
    expect_uses(store, "whose counts were forgotten", 1, &earlier).await
}

async fn without_counts(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &holding(1, "read")).await?;
    let one = KeyUse::new(id(1), 1, at(9)).with_exercised(Scope::READ);
    note(store, &[one]).await?;
    expect_uses(store, "of a use without counts", 1, &[("read", 0, 0)]).await
}

async fn names(store: &dyn KeyRegistry) -> Outcome {
    let longest = "z".repeat(Scope::MAX_LEN);
    let names = [
        "!#[]^~'%_{}:*",
        "A",
        "READ",
        "a",
        "a-b",
        "a:b",
        "ab",
        "read",
        &longest,
    ];
    let scopes = names.join(" ");
    insert(store, &holding(1, &scopes)).await?;
    note(store, &[used(1, 1, 9, &scopes)]).await?;
    let expected = names.map(|name| (name, 0, 0));
    expect_uses(store, "with odd names", 1, &expected).await?;
    note(store, &[used(1, 1, HOUR, "READ")]).await?;
    let expected = names.map(|name| (name, 0, i64::from(name == "READ")));
    expect_uses(store, "that differ in case", 1, &expected).await
}

async fn once(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &holding(1, "read write")).await?;
    let writer = another_writer();
    let batch = |sequence, hour, scopes| {
        UsageBatch::new(writer, sequence, [used(1, 1, hour * HOUR, scopes)])
    };
    send(store, &batch(5, 3, "read")).await?;
    send(store, &batch(5, 4, "write")).await?;
    send(store, &batch(4, 5, "read")).await?;
    expect_uses(store, "after a batch came again", 1, &[("read", 3, 3)]).await
}

async fn left_out(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &holding(1, "read write")).await?;
    let uses = [
        used(1, 2, 9, "write"),
        used(2, 1, 9, "read"),
        used(1, 1, 9, "read"),
    ];
    note(store, &uses).await?;
    expect_uses(store, "of a version that there is", 1, &[("read", 0, 0)]).await?;
    expect_uses(store, "of an unknown key", 2, &[]).await?;
    insert(store, &holding(2, "read")).await?;
    expect_uses(store, "of a key that was unknown", 2, &[]).await
}

async fn begun_anew(store: &dyn KeyRegistry) -> Outcome {
    let mut now = holding(1, "read write");
    insert(store, &now).await?;
    insert(store, &holding(2, "read")).await?;
    note(store, &[used(1, 1, 9, "read write"), used(2, 1, 9, "read")]).await?;
    now = now.with_use_noted(1, at(9));
    for scopes in ["read write delete", "read", ""] {
        let other = KeyChange::Update(KeyUpdate::new().with_scopes(set(scopes)));
        now = expect_change(store, &now, &other).await?;
        expect_uses(store, "of a key with other scopes", 1, &[]).await?;
        note(store, &[used(1, 1, 2 * HOUR, "read")]).await?;
        now = now.with_use_noted(1, at(2 * HOUR));
        let since = [("read", 2, 2)];
        expect_uses(store, "since it has other scopes", 1, &since).await?;
    }
    expect_uses(store, "of another key", 2, &[("read", 0, 0)]).await
}

async fn kept(store: &dyn KeyRegistry) -> Outcome {
    let mut now = holding(1, "read write");
    insert(store, &now).await?;
    note(store, &[used(1, 1, 9, "read")]).await?;
    now = now.with_use_noted(1, at(9));
    let update = KeyUpdate::new().with_scopes(set("write read"));
    for change in [
        KeyChange::Update(update.with_name("Other")),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(11),
        // What retires now makes no difference: exercised scopes are of no version.
        rotation_at(5, 5, 12),
        revocation(9, "leaked"),
    ] {
        now = expect_change(store, &now, &change).await?;
        let what = format!("after {change:?}");
        expect_uses(store, &what, 1, &[("read", 0, 0)]).await?;
    }
    Ok(())
}

async fn deleted(store: &dyn KeyRegistry) -> Outcome {
    let record = holding(1, "read");
    insert(store, &record).await?;
    insert(store, &key(2)).await?;
    note(store, &[used(1, 1, 9, "read"), used(2, 1, 9, "read")]).await?;
    let record = record.with_use_noted(1, at(9));
    expect_change(store, &record, &KeyChange::Delete).await?;
    expect_uses(store, "of a deleted key", 1, &[]).await?;
    note(store, &[used(1, 1, HOUR, "read")]).await?;
    insert(store, &holding(1, "read")).await?;
    expect_uses(store, "of a key with the id of a deleted one", 1, &[]).await?;
    expect_uses(store, "of another key", 2, &[("read", 0, 0)]).await
}

/// Half of it while the scopes of one of the keys are changed all the time.
async fn at_once(store: &dyn KeyRegistry) -> Outcome {
    const CROWD: i64 = 16;
    let names = ["read", "write", "delete", "a", "b"];
    for number in 1..=4 {
        insert(store, &holding(number, &names.join(" "))).await?;
    }
    let told = |hour: i64| async move {
        let index = usize::try_from(hour).unwrap_or_default();
        let [one, two] = [0, 2].map(|next| names[(index + next) % names.len()]);
        let scopes = format!("{one} {two}");
        let uses = [3, 1, 4, 2].map(|number| used(number, 1, hour * HOUR, &scopes));
        note(store, &uses).await
    };
    let changes = (0..CROWD).map(|number| async move {
        let scopes = if number % 2 == 0 { "read a" } else { "read b" };
        let update = KeyChange::Update(KeyUpdate::new().with_scopes(set(scopes)));
        let answer = store.apply(&id(4), &update, &context()).await;
        succeeded(&update, answer).map(drop)
    });
    let first = join_all((0..CROWD).map(told)).await;
    let (second, others) = join(join_all((CROWD..2 * CROWD).map(told)), join_all(changes)).await;
    for outcome in [first, second, others].into_iter().flatten() {
        outcome?;
    }
    // Each name comes every fifth hour, and again two hours earlier.
    let expected = [
        ("a", 1, 31),
        ("b", 2, 29),
        ("delete", 0, 30),
        ("read", 0, 30),
        ("write", 1, 31),
    ];
    for number in 1..=3 {
        expect_uses(store, "that many told of", number, &expected).await?;
    }
    Ok(())
}
