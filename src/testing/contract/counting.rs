//! Rules for usage counters.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::expect::{
    commit, expect_change, expect_eq, expect_stored, get, insert, note, send, succeeded,
};
use super::fixture::{another_writer, at, id, key, key_of, rotation, rotation_at, version};
use super::odd;
use super::rule::Outcome;
use crate::record::change::KeyChange;
use crate::record::key::KeyRecord;
use crate::scope::set::ScopeSet;
use crate::store::contract::store::Store;
use crate::store::contract::usage::{KeyUse, UsageBatch, UsageBucket};

rules! {
    "counting: counters add up by secret and hour" => add_up,
    "counting: a bucket has the scopes that were used" => scopes,
    "counting: a batch is counted once" => once,
    "counting: a range is half open" => ranges,
    "counting: what does not exist is not counted" => left_out,
    "counting: a deleted key's buckets go with it" => deleted,
    "counting: old buckets are pruned" => pruned,
    "counting: old writers are pruned" => writers,
}

const HOUR: i64 = 3_600;

/// The hours that the rules use.
const ALWAYS: Range<i64> = -1_000 * HOUR..1_000 * HOUR;

/// The buckets of a key in a range of seconds.
async fn buckets(store: &dyn Store, number: u64, seconds: Range<i64>) -> Outcome<Vec<UsageBucket>> {
    let hours = at(seconds.start)..at(seconds.end);
    succeeded("`usage`", store.usage(&id(number), hours).await)
}

pub(super) async fn expect_buckets(
    store: &dyn Store,
    what: &str,
    number: u64,
    expected: &[UsageBucket],
) -> Outcome {
    let found = buckets(store, number, ALWAYS).await?;
    expect_eq(format!("the buckets {what}"), &found[..], expected)
}

pub(super) fn bucket(second: i64, version: u32, allowed: u64, refused: u64) -> UsageBucket {
    UsageBucket::new(at(second), version, allowed, refused)
}

pub(super) fn used(number: u64, version: u32, second: i64, allowed: u64, refused: u64) -> KeyUse {
    KeyUse::new(id(number), version, at(second))
        .with_allowed(allowed)
        .with_refused(refused)
}

pub(super) fn set(names: &str) -> ScopeSet {
    // OK because the rules name scopes only.
    names.parse().expect("scopes")
}

/// A key with two secrets.
fn rotated(number: u64) -> KeyRecord {
    key(number).with_secret_versions([version(1, number), version(2, 1_000 + number)])
}

async fn add_up(store: &dyn Store) -> Outcome {
    for number in [1, 2, 3] {
        insert(store, &rotated(number)).await?;
    }
    expect_buckets(store, "of a key without usage", 1, &[]).await?;
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
    // A use without counts and scopes adds no bucket.
    note(store, &[KeyUse::new(id(1), 1, at(5 * HOUR))]).await?;
    let end = at(HOUR) - SignedDuration::from_micros(1);
    note(
        store,
        &[
            used(1, 1, HOUR + 1, 1, 0),
            KeyUse::new(id(1), 1, end).with_refused(1),
        ],
    )
    .await?;
    let expected = [
        bucket(0, 1, 7, 3),
        bucket(0, 2, 1, 0),
        bucket(HOUR, 1, 1, 7),
        bucket(HOUR, 2, 5, 1),
    ];
    expect_buckets(store, "of a key", 1, &expected).await?;
    expect_buckets(store, "of another key", 2, &[bucket(0, 1, 100, 200)]).await?;
    expect_buckets(store, "of a third key", 3, &[]).await?;
    let last = get(store, id(1)).await?.and_then(|key| key.last_used_at());
    expect_eq("the last use", &last, &Some(at(5 * HOUR)))?;

    let great = KeyUse::MAX_COUNT;
    for _ in 0..3 {
        note(store, &[used(3, 1, 0, great, great)]).await?;
    }
    let expected = [bucket(0, 1, 3 * great, 3 * great)];
    expect_buckets(store, "of great counts", 3, &expected).await
}

async fn scopes(store: &dyn Store) -> Outcome {
    for number in [1, 2] {
        insert(store, &rotated(number)).await?;
    }
    let with = |second, version, allowed, scopes: &str| {
        used(1, version, second, allowed, 0).with_exercised(set(scopes))
    };
    note(store, &[with(5, 1, 1, "read"), with(5, 2, 1, "write a")]).await?;
    note(store, &[with(9, 1, 1, "b Read"), with(HOUR, 1, 1, "write")]).await?;
    note(store, &[with(9, 1, 1, "read b"), used(1, 1, HOUR, 1, 0)]).await?;
    // Scopes need no counts.
    note(store, &[with(2 * HOUR, 1, 0, "a")]).await?;
    let expected = [
        bucket(0, 1, 3, 0).with_scopes(set("read Read b")),
        bucket(0, 2, 1, 0).with_scopes(set("write a")),
        bucket(HOUR, 1, 2, 0).with_scopes(set("write")),
        bucket(2 * HOUR, 1, 0, 0).with_scopes(set("a")),
    ];
    expect_buckets(store, "with scopes", 1, &expected).await?;
    // No change of the key changes them.
    let record = succeeded("`get`", store.get(&id(1)).await)?;
    let record = record.map_or_else(|| rotated(1), |found| (*found).clone());
    let record = commit(store, &record, &rotation(10)).await?;
    commit(store, &record, &KeyChange::Disable).await?;
    expect_buckets(store, "after changes", 1, &expected).await?;

    let all = used(2, 1, 0, 1, 0).with_exercised(odd::scopes());
    note(store, &[all]).await?;
    let expected = [bucket(0, 1, 1, 0).with_scopes(odd::scopes())];
    expect_buckets(store, "with odd scopes", 2, &expected).await
}

async fn once(store: &dyn Store) -> Outcome {
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
        (other, 2, false),
        (one, 1 << 53, true),
        (one, 101, false),
        (other, 3, true),
    ]) {
        let scopes = if counts { set("read") } else { set("write") };
        let one = used(1, 1, step, 1, 0).with_exercised(scopes);
        send(store, &UsageBatch::new(writer, sequence, [one])).await?;
        let what = format!("after number {sequence} in step {step}");
        counted += u64::from(counts);
        let expected = [bucket(0, 1, counted, 0).with_scopes(set("read"))];
        expect_buckets(store, &what, 1, &expected).await?;
        if counts {
            let last = get(store, id(1)).await?.and_then(|key| key.last_used_at());
            expect_eq(format!("the last use {what}"), &last, &Some(at(step)))?;
        }
    }
    // The number counts although nothing else of the batch does.
    let batch = |number, sequence| UsageBatch::new(other, sequence, [used(number, 2, 50, 1, 0)]);
    send(store, &batch(9, 10)).await?;
    send(store, &batch(1, 10)).await?;
    let expected = [bucket(0, 1, counted, 0).with_scopes(set("read"))];
    expect_buckets(store, "after a batch for no key", 1, &expected).await
}

async fn ranges(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    let starts = [-496 * HOUR, -HOUR, 0, HOUR, 5 * HOUR];
    for (start, allowed) in starts.into_iter().zip(1..) {
        note(store, &[used(1, 1, start + 7, allowed, 0)]).await?;
    }
    for (range, expected) in [
        (0..HOUR, &[3][..]),
        (0..HOUR + 1, &[3, 4]),
        (1..5 * HOUR, &[4]),
        (-1..0, &[]),
        (-HOUR..0, &[2]),
        (ALWAYS.start..-HOUR, &[1]),
        (-HOUR..ALWAYS.end, &[2, 3, 4, 5]),
        (HOUR..HOUR, &[]),
        (ALWAYS, &[1, 2, 3, 4, 5]),
    ] {
        let found = buckets(store, 1, range.clone()).await?;
        let found: Vec<_> = found.iter().map(UsageBucket::allowed).collect();
        expect_eq(format!("the buckets of {range:?}"), &found[..], expected)?;
    }
    // Any range may be asked for.
    let all = store.usage(&id(1), Timestamp::MIN..Timestamp::MAX).await;
    let count = succeeded("`usage`", all)?.len();
    expect_eq("the number of all buckets", &count, &5)
}

async fn left_out(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    let uses = [
        used(9, 1, 0, 1, 1),
        used(1, 1, 0, 1, 0),
        used(1, 2, 0, 1, 1),
        used(1, 0, 0, 1, 1),
        used(1, u32::MAX, 0, 1, 1),
    ];
    note(store, &uses).await?;
    let expected = [bucket(0, 1, 1, 0)];
    expect_buckets(store, "of what exists", 1, &expected).await?;
    expect_buckets(store, "of an unknown key", 9, &[]).await?;
    insert(store, &key(9)).await?;
    expect_buckets(store, "from before a key existed", 9, &[]).await?;

    // A secret that a rotation drops keeps its buckets, and gets no more.
    let mut record = key(1).with_use_noted(1, at(0));
    for number in 2..=9 {
        let change = rotation_at(number, number, 100 + number.unsigned_abs());
        record = expect_change(store, &record, &change).await?;
    }
    note(store, &[used(1, 1, 1, 1, 0), used(1, 9, 1, 2, 0)]).await?;
    let expected = [bucket(0, 1, 1, 0), bucket(0, 9, 2, 0)];
    expect_buckets(store, "of a secret that was dropped", 1, &expected).await
}

async fn deleted(store: &dyn Store) -> Outcome {
    for number in [1, 2] {
        insert(store, &key(number)).await?;
        let one = used(number, 1, 0, 1, 1).with_exercised(set("read"));
        note(store, &[one]).await?;
    }
    commit(store, &key(1), &KeyChange::Delete).await?;
    expect_buckets(store, "of a deleted key", 1, &[]).await?;
    note(store, &[used(1, 1, 1, 1, 1)]).await?;
    expect_buckets(store, "of a key used after it was deleted", 1, &[]).await?;
    insert(store, &key_of("acct_7", 1)).await?;
    expect_buckets(store, "of a key with the id of a deleted one", 1, &[]).await?;
    let expected = [bucket(0, 1, 1, 1).with_scopes(set("read"))];
    expect_buckets(store, "of another key", 2, &expected).await
}

async fn pruned(store: &dyn Store) -> Outcome {
    for number in [1, 2] {
        insert(store, &key(number)).await?;
        for hour in [-2, -1, 0, 1] {
            note(store, &[used(number, 1, hour * HOUR + 9, 1, 0)]).await?;
        }
    }
    for (before, pruned, left) in [
        (-2 * HOUR, 0, &[-2, -1, 0, 1][..]),
        (-HOUR, 2, &[-1, 0, 1]),
        (-HOUR + 1, 2, &[0, 1]),
        (HOUR, 2, &[1]),
        (HOUR, 0, &[1]),
        (9 * HOUR, 2, &[]),
    ] {
        let count = store.prune_usage_before(at(before)).await;
        let count = succeeded("`prune_usage_before`", count)?;
        let what = format!("how many buckets before second {before} were pruned");
        expect_eq(what, &count, &pruned)?;
        let left = left.iter().map(|hour| bucket(hour * HOUR, 1, 1, 0));
        let expected: Vec<_> = left.collect();
        for number in [1, 2] {
            expect_buckets(store, "that are left", number, &expected).await?;
        }
    }
    let record = key(1).with_use_noted(1, at(HOUR + 9));
    expect_stored(store, "a key whose buckets were pruned", &record).await?;
    note(store, &[used(1, 1, 9, 1, 0)]).await?;
    expect_buckets(store, "after they were pruned", 1, &[bucket(0, 1, 1, 0)]).await
}

async fn writers(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    let (old, new) = (another_writer(), another_writer());
    let batch =
        |writer, sequence, second| UsageBatch::new(writer, sequence, [used(1, 1, second, 1, 0)]);
    send(store, &batch(old, 5, 9)).await?;
    send(store, &batch(new, 5, HOUR)).await?;
    // What counts is the latest use of a writer, not that of its last batch.
    send(store, &batch(new, 6, 9)).await?;
    let pruned = store.prune_usage_before(at(HOUR)).await;
    succeeded("`prune_usage_before`", pruned)?;
    send(store, &batch(old, 5, 2 * HOUR)).await?;
    send(store, &batch(new, 6, 2 * HOUR)).await?;
    let expected = [bucket(HOUR, 1, 1, 0), bucket(2 * HOUR, 1, 1, 0)];
    expect_buckets(store, "after a writer was pruned", 1, &expected).await
}
