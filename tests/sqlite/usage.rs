//! Uses of keys in the file.

use std::ops::Range;
use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use tower_api_key::record::{KeyChange, KeyRecord, SecretVersion};
use tower_api_key::store::{
    KeyUse, SqliteStore, StoreErrorKind, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::{KeyRegistry, Scope};

use super::kit::{
    Directory, apply, assert_fails, at, find, id, insert, inserts, record, rotation, rows, version,
};

const ALL: Range<Timestamp> = Timestamp::MIN..Timestamp::MAX;

fn used(key: u32, version: u32, second: i64) -> KeyUse {
    KeyUse::new(id(key), version, at(second))
}

fn bucket(hour: i64, version: u32, allowed: u64, refused: u64) -> UsageBucket {
    UsageBucket::new(at(hour * 3_600), version, allowed, refused)
}

async fn note(store: &SqliteStore, sequence: u64, uses: impl IntoIterator<Item = KeyUse>) {
    let batch = UsageBatch::new([1; 16], sequence, uses);
    store.record_usage(&batch).await.unwrap();
}

async fn get(store: &SqliteStore, key: u32) -> Arc<KeyRecord> {
    store.get(&id(key)).await.unwrap().unwrap()
}

async fn buckets(store: &SqliteStore, key: u32) -> Vec<UsageBucket> {
    store.usage(&id(key), ALL).await.unwrap()
}

#[tokio::test]
async fn uses_only_move_forwards_and_revive_nothing() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    apply(&store, 1, &rotation(2)).await;
    let batch = [
        used(1, 1, 5),
        used(1, 2, 9),
        used(1, 1, 3),
        used(1, 7, 99),
        used(8, 1, 99),
    ];
    for (sequence, uses) in (1..).zip([&batch[..], &batch[2..], &[]]) {
        note(&store, sequence, uses.iter().cloned()).await;
        let kept = get(&store, 1).await;
        let versions = kept.secret_versions().iter();
        let times: Vec<_> = versions.map(SecretVersion::last_used_at).collect();
        assert_eq!(times, [Some(at(9)), Some(at(5))]);
    }
    // A change takes back no use.
    let disabled = apply(&store, 1, &KeyChange::Disable).await;
    assert_eq!(disabled.last_used_at(), Some(at(9)));
    apply(&store, 1, &KeyChange::Delete).await;
    note(&store, 4, batch).await;
    assert_eq!(find(&store, 1).await, None);
    assert_eq!(store.get(&id(8)).await.unwrap(), None);
    assert_eq!(rows(&directory, "usage"), 0);
}

#[tokio::test]
async fn counts_add_up_by_version_and_hour_and_outlive_a_restart() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    apply(&store, 1, &rotation(2)).await;
    let uses = [
        used(1, 1, 3_599).with_allowed(2),
        used(1, 1, 3_600).with_refused(1),
        used(1, 2, 7)
            .with_allowed(3)
            .with_refused(4)
            .with_exercised(Scope::READ),
        used(1, 1, -1).with_allowed(1),
        used(1, 1, 99_999),
        used(1, 3, 7).with_allowed(1),
    ];
    note(&store, 1, uses.clone()).await;
    // Sent again, and sent late.
    note(&store, 1, uses.clone()).await;
    note(&store, 0, uses.clone()).await;
    drop(store);
    let store = directory.store().await;
    note(&store, 1, uses).await;
    let scope = Scope::from_static("reports");
    let last = used(1, 2, 9).with_allowed(10).with_exercised(scope.clone());
    note(&store, 5, [last]).await;
    let expected = [
        bucket(-1, 1, 1, 0),
        bucket(0, 1, 2, 0),
        bucket(0, 2, 13, 4).with_scopes([Scope::READ, scope]),
        bucket(1, 1, 0, 1),
    ];
    assert_eq!(buckets(&store, 1).await, expected);
    // Half open, and to the microsecond.
    let hours = at(-3_600)..at(3_600);
    assert_eq!(store.usage(&id(1), hours).await.unwrap(), expected[..3]);
    let nanosecond = jiff::SignedDuration::from_nanos(1);
    let hours = at(0) + nanosecond..at(3_600) + nanosecond;
    assert_eq!(store.usage(&id(1), hours).await.unwrap(), expected[1..3]);
    let none = at(3_600)..at(0);
    assert_eq!(store.usage(&id(1), none).await.unwrap(), []);
    assert_eq!(buckets(&store, 2).await, []);
}

#[tokio::test]
async fn a_counter_stays_at_the_highest_number() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    let most = KeyUse::MAX_COUNT;
    note(&store, 1, [used(1, 1, 0).with_allowed(most)]).await;
    let near = "UPDATE tower_api_key_usage SET allowed = 9223372036854775806";
    directory.other().execute_batch(near).unwrap();
    for sequence in [2, 3] {
        let one = used(1, 1, 0).with_allowed(most).with_refused(most);
        note(&store, sequence, [one]).await;
    }
    let highest = i64::MAX.unsigned_abs();
    assert_eq!(buckets(&store, 1).await, [bucket(0, 1, highest, 2 * most)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_is_sent_many_times_at_once_counts_once() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    stores[0].insert(insert(record(1))).await.unwrap();
    for sequence in 1..=20 {
        let batch = UsageBatch::new([9; 16], sequence, [used(1, 1, 0).with_allowed(1)]);
        let sent = (0..8).map(|task| {
            let (store, batch) = (stores[task % 2].clone(), batch.clone());
            tokio::spawn(async move { store.record_usage(&batch).await })
        });
        for sent in join_all(sent).await {
            sent.unwrap().unwrap();
        }
        assert_eq!(buckets(&stores[0], 1).await, [bucket(0, 1, sequence, 0)]);
    }
}

#[tokio::test]
async fn a_batch_that_fails_counts_nothing_and_may_be_sent_again() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert_many(inserts(vec![record(1), record(2)])).await;
    let damage = "CREATE TRIGGER full BEFORE INSERT ON tower_api_key_usage \
                  WHEN NEW.key = 2 BEGIN SELECT raise(ABORT, 'no'); END";
    directory.other().execute_batch(damage).unwrap();
    let uses = [1, 2].map(|key| used(key, 1, 5).with_allowed(1));
    let batch = UsageBatch::new([1; 16], 1, uses);
    let name = directory.name();
    let message = format!("the database {name} failed");
    let failed = store.record_usage(&batch).await;
    assert_fails(failed, StoreErrorKind::Unavailable, &message);
    assert_eq!(get(&store, 1).await.last_used_at(), None);
    assert_eq!(
        (rows(&directory, "usage"), rows(&directory, "writers")),
        (0, 0)
    );
    let other = directory.other();
    other.execute_batch("DROP TRIGGER full").unwrap();
    store.record_usage(&batch).await.unwrap();
    for key in [1, 2] {
        assert_eq!(buckets(&store, key).await, [bucket(0, 1, 1, 0)]);
    }
}

#[tokio::test]
async fn a_large_batch_is_counted_whole() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert_many(inserts((0..3_000).map(record))).await;
    for sequence in 1..=2 {
        let uses = (0..3_000).map(|key| used(key, 1, 5).with_allowed(u64::from(key) + 1));
        note(&store, sequence, uses).await;
    }
    assert_eq!(rows(&directory, "usage"), 3_000);
    for key in [0, 1_500, 2_999] {
        let expected = [bucket(0, 1, 2 * u64::from(key) + 2, 0)];
        assert_eq!(buckets(&store, key).await, expected);
    }
}

#[tokio::test]
async fn old_buckets_and_writers_are_pruned_by_the_thousand() {
    let directory = Directory::new();
    let store = directory.store().await;
    let two = record(1).with_secret_versions([version(1, 1), version(2, 2)]);
    store.insert(insert(two)).await.unwrap();
    let uses = (0..2_500).map(|hour| used(1, 1, hour * 3_600).with_allowed(1));
    note(&store, 1, uses).await;
    let late = UsageBatch::new([2; 16], 1, [used(1, 2, 5).with_refused(1)]);
    store.record_usage(&late).await.unwrap();
    let pruned = store.prune_usage_before(at(2_499 * 3_600)).await;
    assert_eq!(pruned.unwrap(), 2_500);
    assert_eq!(buckets(&store, 1).await, [bucket(2_499, 1, 1, 0)]);
    let pruned = store.prune_usage_before(at(2_499 * 3_600)).await;
    assert_eq!(pruned.unwrap(), 0);
    let last = get(&store, 1).await.last_used_at();
    assert_eq!(last, Some(at(2_499 * 3_600)));
    // The second writer is not known any more; the first is.
    store.record_usage(&late).await.unwrap();
    note(&store, 1, [used(1, 1, 5).with_allowed(1)]).await;
    let expected = [bucket(0, 2, 0, 1), bucket(2_499, 1, 1, 0)];
    assert_eq!(buckets(&store, 1).await, expected);
    assert_eq!(rows(&directory, "writers"), 2);
}

#[tokio::test]
async fn buckets_outlive_their_secret_and_not_their_key() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    note(&store, 1, [used(1, 1, 5).with_allowed(1)]).await;
    let at_once = |to: u32| KeyChange::Rotate {
        digest: super::kit::digest(to),
        prefix: "89abcdef".parse().unwrap(),
        at: at(10),
        others_retire_at: at(10),
    };
    for to in 10..18 {
        apply(&store, 1, &at_once(to)).await;
    }
    assert_eq!(find(&store, 1).await, None);
    note(&store, 2, [used(1, 1, 5).with_allowed(1)]).await;
    assert_eq!(buckets(&store, 1).await, [bucket(0, 1, 1, 0)]);
    apply(&store, 1, &KeyChange::Delete).await;
    assert_eq!(rows(&directory, "usage"), 0);
    store.insert(insert(record(1))).await.unwrap();
    assert_eq!(buckets(&store, 1).await, []);
}

#[tokio::test]
async fn a_counter_that_is_none_is_an_error() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    note(&store, 1, [used(1, 1, 5).with_allowed(1)]).await;
    for set in ["refused = -1", "refused = 0, secret = -1"] {
        let damage = format!("UPDATE tower_api_key_usage SET {set}");
        directory.other().execute_batch(&damage).unwrap();
        let message = format!(
            "a column of the database {} has a value that cannot be read",
            directory.name()
        );
        let usage = store.usage(&id(1), ALL).await;
        assert_fails(usage, StoreErrorKind::Corrupt, &message);
    }
}
