//! What the feed tells, and when.

use std::sync::Arc;
use std::time::Duration;

use tower_api_key::KeyRegistry;
use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{ChangeFeed, FeedEvent, FeedListener, KeyUse, RedisStore, UsageStore};
use tower_api_key::testing::apply;

use crate::kit::{
    Heard, RedisServer, adding, at, batch, context, digest, eventually, find, id, impatient,
    options, record, rotation, store, store_with, without_proofs,
};

#[tokio::test]
async fn two_stores_hear_of_each_others_changes() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let (one, two) = (store(&server).await, store(&server).await);
    let (at_one, at_two) = (Heard::of(&one), Heard::of(&two));
    let standing = [FeedEvent::Lost, FeedEvent::Reset];
    assert_eq!(without_proofs(&at_one.proof().await), standing);
    assert_eq!(without_proofs(&at_two.proof().await), standing);

    one.insert(adding(record(1))).await.unwrap();
    assert_eq!(find(&two, 1).await.as_deref(), Some(&record(1)));
    one.insert_many(vec![adding(record(2)), adding(record(3))])
        .await;
    apply(&one, &id(1), &rotation(digest(9), at(20)), &context())
        .await
        .unwrap();
    one.record_usage(&batch([KeyUse::new(id(1), 1, at(1))]))
        .await
        .unwrap();
    apply(&two, &id(1), &KeyChange::Disable, &context())
        .await
        .unwrap();
    apply(&two, &id(2), &KeyChange::Delete, &context())
        .await
        .unwrap();
    let all = [
        FeedEvent::Added(id(1)),
        FeedEvent::Added(id(2)),
        FeedEvent::Added(id(3)),
        FeedEvent::Added(id(1)),
        FeedEvent::Changed(id(1)),
        FeedEvent::Changed(id(2)),
    ];
    // Once by the feed, and once more, at once, by the store whose call it was.
    let count = |events: &[FeedEvent], event| events.iter().filter(|one| **one == event).count();
    for (heard, own) in [(&at_one, &all[..4]), (&at_two, &all[4..])] {
        let told = without_proofs(&heard.proof().await);
        assert_eq!(told.len(), all.len() + own.len());
        for event in all {
            assert_eq!(count(&told, event), count(&all, event) + count(own, event));
        }
    }
}

/// A change that was made before a proof was asked for is told before it.
#[tokio::test]
async fn a_proof_comes_after_what_it_proves() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let (one, two) = (store(&server).await, store(&server).await);
    let heard = Heard::of(&two);
    heard.proof().await;
    for number in 0..50 {
        one.insert(adding(record(number))).await.unwrap();
        let told = heard.proof().await;
        assert_eq!(without_proofs(&told), [FeedEvent::Added(id(number))]);
    }
}

#[tokio::test]
async fn a_change_is_reported_after_a_lookup_shows_it() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let (one, two) = (store(&server).await, store(&server).await);
    let heard = Heard::of(&two);
    heard.proof().await;
    for number in 0..50 {
        one.insert(adding(record(number))).await.unwrap();
        let change = KeyChange::Revoke(Revocation::new(at(1), "lost"));
        let changing = tokio::spawn({
            let one = one.clone();
            async move { apply(&one, &id(number), &change, &context()).await }
        });
        heard
            .until(|event| *event == FeedEvent::Changed(id(number)))
            .await;
        let found = find(&two, number).await.unwrap();
        assert!(found.revocation().is_some());
        changing.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_lost_feed_says_so_at_once_and_comes_back() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store_with(&server, impatient()).await;
    let heard = Heard::of(&store);
    heard.proof().await;
    for _ in 0..3 {
        server.cut_connections();
        heard.until(|event| *event == FeedEvent::Lost).await;
        let told = heard.proof().await;
        assert_eq!(without_proofs(&told), [FeedEvent::Reset]);
    }
    // Nothing is proven of a server that is silent.
    server.pause();
    heard.until(|event| *event == FeedEvent::Lost).await;
    let silent = std::time::Instant::now();
    assert_eq!(without_proofs(&heard.take()), []);
    // A newcomer hears how the feed stands.
    let late = Heard::of(&store);
    assert_eq!(late.take(), [FeedEvent::Lost]);
    server.resume();
    let told = heard.proof().await;
    assert_eq!(without_proofs(&told), [FeedEvent::Reset]);
    for event in told {
        assert!(!matches!(event, FeedEvent::CaughtUp { as_of } if as_of < silent));
    }
    let late = Heard::of(&store);
    assert!(matches!(*late.take(), [FeedEvent::CaughtUp { .. }, ..]));
}

#[tokio::test]
async fn what_is_not_understood_may_be_any_change() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let heard = Heard::of(&store);
    heard.proof().await;
    server.command(&["PUBLISH", "{tower_api_key}:changes", "z9"]);
    assert_eq!(without_proofs(&heard.proof().await), [FeedEvent::Reset]);
    server.command(&["PUBLISH", "{other}:changes", "z9"]);
    assert_eq!(without_proofs(&heard.proof().await), []);
}

#[tokio::test]
async fn tasks_and_connections_end_with_the_last_clone() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let first = store(&server).await;
    assert_eq!(server.clients(), 1);
    let second = first.clone();
    let heard = Heard::of(&first);
    heard.proof().await;
    assert_eq!(server.clients(), 2);
    drop(first);
    heard.proof().await;
    assert_eq!(server.clients(), 2);
    drop(second);
    eventually(async || (server.clients() == 0).then_some(())).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    eventually(async || (metrics.num_alive_tasks() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_listener_that_is_gone_is_told_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let long = options().with_proof_interval(Duration::from_secs(60));
    let store = RedisStore::connect_with(&server.url(), long).await.unwrap();
    store.migrate().await.unwrap();
    let heard = Heard::of(&store);
    heard.proof().await;
    let listener: Arc<dyn FeedListener> = heard.clone();
    store.watch(Arc::downgrade(&listener));
    drop((heard, listener));
    store.insert(adding(record(1))).await.unwrap();
}
