//! Counts of uses.

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tower_api_key::record::{KeyChange, KeyId};
use tower_api_key::store::{KeyUse, RedisStore, UsageBatch, UsageBucket, UsageStore};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, Scope, ScopeSet};

use crate::kit::{
    RedisServer, adding, assert_empty, at, batch, context, digest, eventually, id, impatient,
    record, rotation, store, store_with,
};

fn hour(number: i64) -> Timestamp {
    at(number * 3_600)
}

async fn sums(store: &RedisStore, key: &KeyId) -> Vec<UsageBucket> {
    store
        .usage(key, Timestamp::MIN..Timestamp::MAX)
        .await
        .unwrap()
}

#[tokio::test]
async fn counts_are_exact_and_added_by_hour_and_version() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    let new = rotation(digest(2), at(20));
    apply(&store, &id(1), &new, &context()).await.unwrap();
    let most = KeyUse::MAX_COUNT;
    let edge = |text: &str| text.parse::<Timestamp>().unwrap();
    let uses = [
        KeyUse::new(id(1), 2, Timestamp::UNIX_EPOCH).with_allowed(3),
        KeyUse::new(id(1), 1, hour(0))
            .with_allowed(most)
            .with_refused(most),
        KeyUse::new(id(1), 2, hour(0)).with_allowed(most),
        KeyUse::new(id(1), 1, edge("9999-12-30T21:59:59.999999Z")).with_refused(4),
        KeyUse::new(id(1), 1, hour(5)),
        // Neither the version nor the key exists.
        KeyUse::new(id(1), 3, hour(0)).with_allowed(1),
        KeyUse::new(id(2), 1, hour(0)).with_allowed(1),
    ];
    store.record_usage(&batch(uses)).await.unwrap();
    let one_more = [
        KeyUse::new(id(1), 1, hour(0)).with_allowed(1),
        KeyUse::new(id(1), 2, hour(0)).with_refused(1),
    ];
    store.record_usage(&batch(one_more)).await.unwrap();
    let all = [
        UsageBucket::new(Timestamp::UNIX_EPOCH, 2, 3, 0),
        UsageBucket::new(hour(0), 1, most + 1, most),
        UsageBucket::new(hour(0), 2, most, 1),
        UsageBucket::new(edge("9999-12-30T21:00:00Z"), 1, 0, 4),
    ];
    assert_eq!(sums(&store, &id(1)).await, all);
    let micro = SignedDuration::from_micros(1);
    for (hours, found) in [
        (hour(0)..hour(1), &all[1..3]),
        (hour(0)..hour(0) + micro, &all[1..3]),
        (hour(0) + micro..Timestamp::MAX, &all[3..]),
        (Timestamp::UNIX_EPOCH..hour(0), &all[..1]),
        (Timestamp::MIN..Timestamp::MIN, &all[..0]),
        (
            Timestamp::UNIX_EPOCH..Timestamp::UNIX_EPOCH + micro,
            &all[..1],
        ),
        (hour(1)..hour(0), &all[..0]),
    ] {
        let read = store.usage(&id(1), hours.clone()).await.unwrap();
        assert_eq!(read, found, "{hours:?}");
    }
    assert_eq!(sums(&store, &id(2)).await, []);
    assert_eq!(
        store.get(&id(1)).await.unwrap().unwrap().last_used_at(),
        Some(edge("9999-12-30T21:59:59.999999Z"))
    );

    // A version that a rotation drops keeps its sums; a deleted key does not.
    for number in 3..=9 {
        let change = rotation(digest(number), at(5));
        apply(&store, &id(1), &change, &context()).await.unwrap();
    }
    assert_eq!(sums(&store, &id(1)).await, all);
    apply(&store, &id(1), &KeyChange::Delete, &context())
        .await
        .unwrap();
    assert_eq!(sums(&store, &id(1)).await, []);
    store.insert(adding(record(1))).await.unwrap();
    assert_eq!(sums(&store, &id(1)).await, []);
    apply(&store, &id(1), &KeyChange::Delete, &context())
        .await
        .unwrap();
    assert_eq!(store.prune_usage_before(Timestamp::MAX).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_is_counted_once_however_often_it_is_sent() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let stores = [store(&server).await, store(&server).await];
    for number in 1..=50 {
        stores[0].insert(adding(record(number))).await.unwrap();
    }
    for sequence in [1, 2, 1 << 53, u64::MAX] {
        let uses = (1..=50).map(|number| KeyUse::new(id(number), 1, hour(0)).with_allowed(3));
        let batch = UsageBatch::new([9; 16], sequence, uses);
        let sending = (0..16).map(|number: usize| {
            let (store, batch) = (stores[number % 2].clone(), batch.clone());
            tokio::spawn(async move { store.record_usage(&batch).await })
        });
        for sent in join_all(sending).await {
            sent.unwrap().unwrap();
        }
    }
    // A batch with a lower or equal number is ignored.
    let late = KeyUse::new(id(1), 1, hour(7)).with_allowed(1);
    for sequence in [0, 1, u64::MAX] {
        let batch = UsageBatch::new([9; 16], sequence, [late.clone()]);
        stores[0].record_usage(&batch).await.unwrap();
    }
    for number in 1..=50 {
        let expected = UsageBucket::new(hour(0), 1, 12, 0);
        assert_eq!(sums(&stores[1], &id(number)).await, [expected]);
    }
    let key = stores[0].get(&id(1)).await.unwrap().unwrap();
    assert_eq!(key.last_used_at(), Some(hour(0)));
    // Another writer has numbers of its own, and a batch that adds nothing counts as one.
    let mut other = [9; 16];
    other[15] = 8;
    let nobody = UsageBatch::new(other, 5, [KeyUse::new(id(999), 1, hour(0))]);
    stores[0].record_usage(&nobody).await.unwrap();
    let late = UsageBatch::new(other, 5, [late]);
    stores[0].record_usage(&late).await.unwrap();
    assert_eq!(sums(&stores[1], &id(1)).await.len(), 1);
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_may_be_sent_again() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store_with(&server, impatient()).await;
    store.insert(adding(record(1))).await.unwrap();
    for sequence in 1..=3 {
        let used = KeyUse::new(id(1), 1, hour(0)).with_allowed(5);
        let batch = UsageBatch::new([9; 16], sequence, [used]);
        server.pause();
        store.record_usage(&batch).await.unwrap_err();
        // Now it is counted.
        server.resume();
        eventually(async || store.record_usage(&batch).await.ok()).await;
        let sum = UsageBucket::new(hour(0), 1, 5 * sequence, 0);
        assert_eq!(sums(&store, &id(1)).await, [sum]);
    }
}

#[tokio::test]
async fn sums_and_writers_are_forgotten_in_steps() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let long = 1_300;
    for number in 1..=3 {
        store.insert(adding(record(number))).await.unwrap();
    }
    // One key in many hours, and a batch of many uses; others in one.
    let writer = |number| [number; 16];
    let uses = (0..long).map(|number| KeyUse::new(id(1), 1, hour(number)).with_allowed(2));
    let first = UsageBatch::new(writer(1), 1, uses);
    store.record_usage(&first).await.unwrap();
    let use_at = |key, at| {
        let one = KeyUse::new(id(key), 1, at).with_refused(1);
        one.with_exercised(Scope::READ)
    };
    let second = UsageBatch::new(writer(2), 1, [use_at(2, hour(3)), use_at(2, hour(1))]);
    store.record_usage(&second).await.unwrap();
    // The latest use of a writer only moves forwards.
    let earlier = UsageBatch::new(
        writer(1),
        2,
        [use_at(3, hour(2) + SignedDuration::from_micros(5))],
    );
    store.record_usage(&earlier).await.unwrap();
    let found = sums(&store, &id(1)).await;
    assert_eq!(found.len(), usize::try_from(long).unwrap());
    assert!(found.is_sorted_by_key(UsageBucket::hour));
    assert!(
        found
            .iter()
            .all(|sum| sum.allowed() == 2 && sum.refused() == 0)
    );

    assert_eq!(store.prune_usage_before(hour(0)).await.unwrap(), 0);
    assert_eq!(store.prune_usage_before(hour(1)).await.unwrap(), 1);
    let micro = SignedDuration::from_micros(1);
    assert_eq!(store.prune_usage_before(hour(1) + micro).await.unwrap(), 2);
    let left = sums(&store, &id(2)).await;
    assert_eq!(
        left,
        [UsageBucket::new(hour(3), 1, 0, 1).with_scopes(Scope::READ)]
    );
    // The first writer was heard of at the last hour, the second at the third.
    let writers = || server.command(&["HLEN", "{tower_api_key}:writers"]);
    assert_eq!(writers(), ":2\r\n");
    assert_eq!(store.prune_usage_before(hour(3)).await.unwrap(), 2);
    assert_eq!(writers(), ":2\r\n");
    assert_eq!(store.prune_usage_before(hour(3) + micro).await.unwrap(), 2);
    assert_eq!(writers(), ":1\r\n");
    // An hour that was forgotten may come again.
    store.record_usage(&second).await.unwrap();
    assert_eq!(store.prune_usage_before(hour(1_000)).await.unwrap(), 998);
    store.record_usage(&first).await.unwrap();
    assert_eq!(sums(&store, &id(1)).await.len(), 300);
    assert_eq!(store.prune_usage_before(Timestamp::MAX).await.unwrap(), 300);
    let key = store.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(key.last_used_at(), Some(hour(long - 1)));
    for number in 1..=3 {
        let deletion = KeyChange::Delete;
        apply(&store, &id(number), &deletion, &context())
            .await
            .unwrap();
    }
    assert_empty(&server, &store).await;
}

#[tokio::test]
async fn a_bucket_has_the_union_of_the_scopes() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    let scopes = |names: &str| names.parse::<ScopeSet>().unwrap();
    // One scope is a part of another.
    for names in ["read", "a:read", "read re", "", "a:read write"] {
        let used = KeyUse::new(id(1), 1, hour(0)).with_exercised(scopes(names));
        store.record_usage(&batch([used])).await.unwrap();
    }
    let used = KeyUse::new(id(1), 1, hour(1)).with_allowed(1);
    store.record_usage(&batch([used])).await.unwrap();
    let expected = [
        UsageBucket::new(hour(0), 1, 0, 0).with_scopes(scopes("a:read re read write")),
        UsageBucket::new(hour(1), 1, 1, 0),
    ];
    assert_eq!(sums(&store, &id(1)).await, expected);
    assert_eq!(store.prune_usage_before(hour(1)).await.unwrap(), 1);
    assert_eq!(sums(&store, &id(1)).await, expected[1..]);
}
