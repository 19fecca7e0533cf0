//! Rules for counts of uses.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::expect::{expect_change, expect_eq, expect_stored, get, insert, note, send, succeeded};
use super::fixture::{another_writer, at, id, key, key_of, rotation_at, version};
use super::rule::{Outcome, Rule};
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::store::registry::KeyRegistry;
use crate::store::usage::{KeyUse, UsageBatch, UsageBucket};

pub(super) const RULES: &[Rule] = &[
    Rule::new("counting: counts add up by version and hour", |store| {
        Box::pin(add_up(store))
    }),
    Rule::new("counting: a batch is counted once", |store| {
        Box::pin(once(store))
    }),
    Rule::new("counting: an hour is that of its time", |store| {
        Box::pin(hours(store))
    }),
    Rule::new("counting: a range ends before its end", |store| {
        Box::pin(ranges(store))
    }),
    Rule::new("counting: what does not exist is not counted", |store| {
        Box::pin(left_out(store))
    }),
    Rule::new("counting: a deleted key's counts go with it", |store| {
        Box::pin(deleted(store))
    }),
    Rule::new("counting: old counts are forgotten", |store| {
        Box::pin(forgotten(store))
    }),
    Rule::new("counting: old writers are forgotten", |store| {
        Box::pin(writers(store))
    }),
];

pub(super) const ALWAYS: Range<Timestamp> = Timestamp::MIN..Timestamp::MAX;

const HOUR: i64 = 3_600;

/// The start of an hour, a version, and how many requests were let in and refused.
type Sum = (Timestamp, u32, u64, u64);

/// The sums of a key.
pub(super) async fn sums(
    store: &dyn KeyRegistry,
    number: u64,
    hours: Range<Timestamp>,
) -> Outcome<Vec<Sum>> {
    let buckets = succeeded("`usage`", store.usage(&id(number), hours).await)?;
    let sum = |one: &UsageBucket| {
        (
            one.hour(),
            one.secret_version(),
            one.allowed(),
            one.refused(),
        )
    };
    Ok(buckets.iter().map(sum).collect())
}

async fn expect_sums(
    store: &dyn KeyRegistry,
    what: &str,
    number: u64,
    expected: &[Sum],
) -> Outcome {
    let found = sums(store, number, ALWAYS).await?;
    expect_eq(format!("the sums {what}"), &found[..], expected)
}

fn used(number: u64, version: u32, second: i64, allowed: u64, refused: u64) -> KeyUse {
    KeyUse::new(id(number), version, at(second))
        .with_allowed(allowed)
        .with_refused(refused)
}

/// A key with two secrets.
fn rotated(number: u64) -> KeyRecord {
    key(number).with_secret_versions([version(1, number), version(2, 1_000 + number)])
}

async fn add_up(store: &dyn KeyRegistry) -> Outcome {
    for number in [1, 2, 3] {
        insert(store, &rotated(number)).await?;
    }
    expect_sums(store, "of a key without uses", 1, &[]).await?;
    note(store, &[used(1, 1, 10, 3, 0), used(2, 1, 10, 100, 200)]).await?;
    note(
        store,
        &[
            used(1, 2, HOUR, 5, 1),
            used(1, 1, 5, 4, 2),
            used(1, 1, HOUR, 0, 7),
            used(1, 2, 0, 1, 0),
        ],
    )
    .await?;
    // A use without counts makes no sum.
    note(store, &[KeyUse::new(id(1), 1, at(5 * HOUR))]).await?;
    note(
        store,
        &[used(1, 1, HOUR + 1, 1, 0), used(1, 1, 3_599, 0, 1)],
    )
    .await?;
    let expected = [
        (at(0), 1, 7, 3),
        (at(0), 2, 1, 0),
        (at(HOUR), 1, 1, 7),
        (at(HOUR), 2, 5, 1),
    ];
    expect_sums(store, "of a key", 1, &expected).await?;
    expect_sums(store, "of another key", 2, &[(at(0), 1, 100, 200)]).await?;
    expect_sums(store, "of a third key", 3, &[]).await?;
    let last = get(store, id(1))
        .await?
        .and_then(|found| found.last_used_at());
    expect_eq("the last use", &last, &Some(at(5 * HOUR)))?;

    let great = KeyUse::MAX_COUNT;
    for _ in 0..3 {
        note(store, &[used(3, 1, 0, great, great)]).await?;
    }
    expect_sums(
        store,
        "of great counts",
        3,
        &[(at(0), 1, 3 * great, 3 * great)],
    )
    .await
}

async fn once(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &rotated(1)).await?;
    let (one, other) = (another_writer(), another_writer());
    let mut counted = 0;
    for (step, (writer, sequence, counts)) in (0_i64..).zip([
        (one, 3, true),
        (one, 3, false),
        (one, 2, false),
        (other, 2, true),
        (one, 4, true),
        (one, 3, false),
        (one, 100, true),
        (one, 99, false),
        (other, 2, false),
        (one, 1 << 53, true),
        (one, 101, false),
        (other, 3, true),
    ]) {
        let batch = UsageBatch::new(writer, sequence, [used(1, 1, step, 1, 0)]);
        send(store, &batch).await?;
        let what = format!("after number {sequence} in step {step}");
        counted += u64::from(counts);
        expect_sums(store, &what, 1, &[(at(0), 1, counted, 0)]).await?;
        if counts {
            let last = get(store, id(1))
                .await?
                .and_then(|found| found.last_used_at());
            expect_eq(format!("the last use {what}"), &last, &Some(at(step)))?;
        }
    }
    // The number counts although nothing else of the batch does.
    let batch = |number, sequence| UsageBatch::new(other, sequence, [used(number, 2, 50, 1, 0)]);
    send(store, &batch(9, 10)).await?;
    send(store, &batch(1, 10)).await?;
    expect_sums(
        store,
        "after a batch for no key",
        1,
        &[(at(0), 1, counted, 0)],
    )
    .await
}

async fn hours(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let second = SignedDuration::from_secs(1);
    let microsecond = SignedDuration::from_micros(1);
    let first = Timestamp::MIN + (second * 7_200);
    let first = Timestamp::constant(first.as_second().div_euclid(HOUR) * HOUR, 0);
    let last = Timestamp::constant((Timestamp::MAX.as_second().div_euclid(HOUR) - 1) * HOUR, 0);
    let epoch = Timestamp::UNIX_EPOCH;
    let mut expected = Vec::new();
    for (start, allowed) in [
        (first, 1),
        (epoch - second * 7_200, 2),
        (epoch - second * 3_600, 3),
        (epoch, 4),
        (at(0), 5),
        (last, 6),
    ] {
        let end = start + (second * 3_599) + (microsecond * 999_999);
        for time in [start, start + microsecond, end] {
            let one = KeyUse::new(id(1), 1, time).with_allowed(allowed);
            note(store, &[one]).await?;
        }
        expected.push((start, 1, 3 * allowed, 0));
    }
    expect_sums(store, "of odd hours", 1, &expected).await
}

async fn ranges(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let starts = [-496_000 * HOUR, -HOUR, 0, HOUR, 5 * HOUR];
    for (start, allowed) in starts.into_iter().zip(1..) {
        note(store, &[used(1, 1, start + 7, allowed, 0)]).await?;
    }
    let microsecond = SignedDuration::from_micros(1);
    for (range, expected) in [
        (at(0)..at(HOUR), vec![3]),
        (at(0)..at(HOUR) + microsecond, vec![3, 4]),
        (at(0) + microsecond..at(5 * HOUR), vec![4]),
        (at(0) - microsecond..at(0), vec![]),
        (at(-HOUR)..at(0), vec![2]),
        (Timestamp::MIN..at(-HOUR), vec![1]),
        (at(-HOUR)..Timestamp::MAX, vec![2, 3, 4, 5]),
        (at(HOUR)..at(HOUR), vec![]),
        (at(HOUR)..at(0), vec![]),
        (ALWAYS, vec![1, 2, 3, 4, 5]),
    ] {
        let found = sums(store, 1, range.clone()).await?;
        let found: Vec<_> = found.iter().map(|(_, _, allowed, _)| *allowed).collect();
        expect_eq(format!("the sums of {range:?}"), &found, &expected)?;
    }
    Ok(())
}

async fn left_out(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let uses = [
        used(9, 1, 0, 1, 1),
        used(1, 1, 0, 1, 0),
        used(1, 2, 0, 1, 1),
        used(1, 0, 0, 1, 1),
        used(1, u32::MAX, 0, 1, 1),
    ];
    note(store, &uses).await?;
    expect_sums(
        store,
        "of uses of what does not exist",
        1,
        &[(at(0), 1, 1, 0)],
    )
    .await?;
    expect_sums(store, "of an unknown key", 9, &[]).await?;
    insert(store, &key(9)).await?;
    expect_sums(store, "of a key from before it existed", 9, &[]).await?;

    // What a rotation drops keeps its sums, and gets no more.
    let mut record = key(1).with_secret_versions([version(1, 1).with_last_used_at(Some(at(0)))]);
    for number in 2_u32..=9 {
        let change = rotation_at(
            i64::from(number),
            i64::from(number),
            100 + u64::from(number),
        );
        record = expect_change(store, &record, &change).await?;
    }
    note(store, &[used(1, 1, 1, 1, 0), used(1, 9, 1, 2, 0)]).await?;
    let expected = [(at(0), 1, 1, 0), (at(0), 9, 2, 0)];
    expect_sums(store, "of a version that was dropped", 1, &expected).await
}

async fn deleted(store: &dyn KeyRegistry) -> Outcome {
    for number in [1, 2] {
        insert(store, &key(number)).await?;
        note(store, &[used(number, 1, 0, 1, 1)]).await?;
    }
    expect_change(store, &get_used(store, 1).await?, &KeyChange::Delete).await?;
    expect_sums(store, "of a deleted key", 1, &[]).await?;
    note(store, &[used(1, 1, 1, 1, 1)]).await?;
    expect_sums(store, "of a key used after it was deleted", 1, &[]).await?;
    insert(store, &key_of("acct_7", 1)).await?;
    expect_sums(store, "of a key with the id of a deleted one", 1, &[]).await?;
    expect_sums(store, "of another key", 2, &[(at(0), 1, 1, 1)]).await
}

async fn get_used(store: &dyn KeyRegistry, number: u64) -> Outcome<KeyRecord> {
    let found = get(store, id(number)).await?;
    Ok(found.map_or_else(|| key(number), |found| (*found).clone()))
}

async fn forgotten(store: &dyn KeyRegistry) -> Outcome {
    for number in [1, 2] {
        insert(store, &key(number)).await?;
        for hour in [-2, -1, 0, 1] {
            note(store, &[used(number, 1, hour * HOUR + 9, 1, 0)]).await?;
        }
    }
    let microsecond = SignedDuration::from_micros(1);
    for (before, forgotten, left) in [
        (at(-2 * HOUR), 0, &[-2, -1, 0, 1][..]),
        (at(-HOUR), 2, &[-1, 0, 1]),
        (at(-HOUR) + microsecond, 2, &[0, 1]),
        (at(HOUR), 2, &[1]),
        (at(HOUR), 0, &[1]),
        (Timestamp::MAX, 2, &[]),
    ] {
        let count = succeeded(
            "`forget_usage_before`",
            store.forget_usage_before(before).await,
        )?;
        let what = format!("how many sums before {before} were forgotten");
        expect_eq(what, &count, &forgotten)?;
        let expected: Vec<_> = left.iter().map(|hour| (at(hour * HOUR), 1, 1, 0)).collect();
        for number in [1, 2] {
            expect_sums(store, "that are left", number, &expected).await?;
        }
    }
    let record = key(1).with_use_noted(1, at(HOUR + 9));
    expect_stored(store, "a key whose sums were forgotten", &record).await?;
    note(store, &[used(1, 1, 9, 1, 0)]).await?;
    expect_sums(store, "after they were forgotten", 1, &[(at(0), 1, 1, 0)]).await
}

async fn writers(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key(1)).await?;
    let (old, new) = (another_writer(), another_writer());
    let batch =
        |writer, sequence, second| UsageBatch::new(writer, sequence, [used(1, 1, second, 1, 0)]);
    send(store, &batch(old, 5, 9)).await?;
    send(store, &batch(new, 5, HOUR)).await?;
    // The latest of a writer's uses counts, not that of its last batch.
    send(store, &batch(new, 6, 9)).await?;
    succeeded(
        "`forget_usage_before`",
        store.forget_usage_before(at(HOUR)).await,
    )?;
    send(store, &batch(old, 5, 2 * HOUR)).await?;
    send(store, &batch(new, 6, 2 * HOUR)).await?;
    let expected = [(at(HOUR), 1, 1, 0), (at(2 * HOUR), 1, 1, 0)];
    expect_sums(store, "after a writer was forgotten", 1, &expected).await
}
