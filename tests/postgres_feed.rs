//! Keys in PostgreSQL: what a store hears of changes that others make.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", feature = "test-util", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use changes::{batch, context};
use keys::{at, digest, id, record, rotation, until};
use server::PostgresServer;
use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{
    ChangeFeed, FeedEvent, FeedListener, Insert, KeyUse, PostgresOptions, PostgresStore, UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore};

/// Notes what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<FeedEvent>>);

impl FeedListener for Ear {
    fn on_event(&self, event: FeedEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Ear {
    fn of(store: &PostgresStore) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let listener: Arc<dyn FeedListener> = ear.clone();
        store.watch(Arc::downgrade(&listener));
        ear
    }

    fn heard(&self) -> Vec<FeedEvent> {
        self.0.lock().unwrap().clone()
    }

    /// Without proofs, and without the repeats of what the store itself has told.
    fn changes(&self) -> Vec<FeedEvent> {
        let mut heard = self.heard();
        heard.retain(|event| !is_proof(event));
        heard
    }

    /// Waits for the proof that everything until now was heard.
    async fn catch_up(&self) {
        let now = Instant::now();
        until(async || self.heard().iter().any(|event| proves(event, now))).await;
    }

    /// What was heard up to that proof.
    fn heard_before(&self, moment: Instant) -> Vec<FeedEvent> {
        let heard = self.heard();
        let proof = heard.iter().position(|event| proves(event, moment));
        heard[..proof.unwrap()].to_vec()
    }
}

fn is_proof(event: &FeedEvent) -> bool {
    matches!(event, FeedEvent::CaughtUp { .. })
}

fn proves(event: &FeedEvent, moment: Instant) -> bool {
    matches!(event, FeedEvent::CaughtUp { as_of } if *as_of >= moment)
}

fn options(prefix: &str) -> PostgresOptions {
    keys::options(prefix).with_proof_interval(Duration::from_millis(10))
}

async fn store(server: &PostgresServer, prefix: &str) -> PostgresStore {
    let store = PostgresStore::connect_with(&server.url(), options(prefix))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_heard_by_every_store() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let (one, two) = (store(server, "feed_").await, store(server, "feed_").await);
    let (near, far) = (Ear::of(&one), Ear::of(&two));
    assert_eq!(
        (near.heard()[0], far.heard()[0]),
        (FeedEvent::Lost, FeedEvent::Lost)
    );
    near.catch_up().await;
    far.catch_up().await;
    assert_eq!(far.changes(), [FeedEvent::Lost, FeedEvent::Reset]);

    let (added, changed) = (FeedEvent::Added(id(1)), FeedEvent::Changed(id(1)));
    let mut expected = vec![FeedEvent::Lost, FeedEvent::Reset, added];
    one.insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    // The own listener knows when the call returns.
    assert!(near.changes().contains(&added));
    for (change, event) in [
        (rotation(digest(2)), added),
        (KeyChange::Disable, changed),
        (KeyChange::Revoke(Revocation::new(at(0), "")), changed),
        (KeyChange::Delete, changed),
    ] {
        apply(&one, &id(1), &change, &context()).await.unwrap();
        expected.push(event);
    }
    let many: Vec<_> = (3..=202).map(record).collect();
    expected.extend(many.iter().map(|one| FeedEvent::Added(one.id())));
    let inserts = many.into_iter().map(|one| Insert::new(one, &context()));
    let answers = one.insert_many(inserts.collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    // Neither uses nor refusals are told.
    one.record_usage(&batch([KeyUse::new(id(3), 1, at(0))]))
        .await
        .unwrap();
    one.insert(Insert::new(record(3), &context()))
        .await
        .unwrap_err();
    apply(&one, &id(1), &KeyChange::Disable, &context())
        .await
        .unwrap_err();
    far.catch_up().await;
    assert_eq!(far.changes(), expected);

    server.sql("NOTIFY feed_changes, 'something new'");
    far.catch_up().await;
    assert_eq!(far.changes().last(), Some(&FeedEvent::Reset));
    // Whoever comes later hears how the feed stands.
    assert!(is_proof(&Ear::of(&two).heard()[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_comes_after_everything_that_it_proves() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let (one, two) = (store(server, "proof_").await, store(server, "proof_").await);
    let ear = Ear::of(&two);
    ear.catch_up().await;
    for number in 0..100 {
        one.insert(Insert::new(record(number), &context()))
            .await
            .unwrap();
        let committed = Instant::now();
        ear.catch_up().await;
        let before = ear.heard_before(committed);
        assert!(before.contains(&FeedEvent::Added(id(number))), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_is_cut_or_silent_is_lost_and_found_again() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let options = options("lost_").with_deadline(Duration::from_secs(1));
    let store = PostgresStore::connect_with(&server.url(), options)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let ear = Ear::of(&store);
    ear.catch_up().await;
    let lost = async |times: usize| {
        until(async || {
            let changes = ear.changes();
            changes
                .iter()
                .filter(|event| **event == FeedEvent::Lost)
                .count()
                == times
        })
        .await;
    };
    server.cut_connections();
    lost(2).await;
    ear.catch_up().await;
    server.pause();
    lost(3).await;
    assert!(!is_proof(ear.heard().last().unwrap()));
    server.resume();
    ear.catch_up().await;
    server.kill();
    lost(4).await;
    server.restart();
    ear.catch_up().await;
    let expected = [FeedEvent::Lost, FeedEvent::Reset].repeat(4);
    assert_eq!(ear.changes(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_gone_hears_nothing() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let store = store(server, "gone_").await;
    let ear = Ear::of(&store);
    let weak: Weak<Ear> = Arc::downgrade(&ear);
    ear.catch_up().await;
    drop(ear);
    until(async || weak.strong_count() == 0).await;
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    assert!(store.find(&digest(1)).await.unwrap().is_some());
}
