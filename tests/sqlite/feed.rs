//! What listeners are told.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use tower_api_key::KeyRegistry;
use tower_api_key::record::KeyChange;
use tower_api_key::store::{FeedEvent, KeyUse, SqliteOptions, UsageBatch, UsageStore};

use super::kit::{
    Directory, Ear, apply, at, eventually, id, insert, inserts, record, rotation, try_apply,
};

#[tokio::test]
async fn a_change_is_told_before_its_call_returns() {
    let directory = Directory::new();
    let store = directory.store().await;
    let ear = Ear::on(&store);
    assert_eq!(ear.take(), []);
    store.insert(insert(record(1))).await.unwrap();
    assert_eq!(ear.take(), [FeedEvent::Added(id(1))]);
    apply(&store, 1, &rotation(2)).await;
    assert_eq!(ear.take(), [FeedEvent::Added(id(1))]);
    apply(&store, 1, &KeyChange::Disable).await;
    assert_eq!(ear.take(), [FeedEvent::Changed(id(1))]);

    store
        .insert_many(inserts(vec![record(3), record(1), record(4)]))
        .await;
    assert_eq!(
        ear.take(),
        [3, 4].map(|number| FeedEvent::Added(id(number)))
    );
    // What was refused is no change, nor is what changes nothing, nor a use.
    let used = KeyUse::new(id(1), 1, at(5));
    apply(&store, 1, &KeyChange::Disable).await;
    let again = |number| insert(record(number)).with_idempotency_key(Some([1; 32]));
    store.insert(again(5)).await.unwrap();
    assert_eq!(ear.take(), [FeedEvent::Added(id(5))]);
    store.insert(again(6)).await.unwrap();
    store.insert(insert(record(1))).await.unwrap_err();
    try_apply(&store, 1, &rotation(3)).await.unwrap_err();
    store
        .record_usage(&UsageBatch::new([1; 16], 1, [used]))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    assert_eq!(ear.take(), []);
    apply(&store, 1, &KeyChange::Delete).await;
    assert_eq!(ear.take(), [FeedEvent::Changed(id(1))]);
    // The store's own changes are no reason to forget everything.
    ear.wait_for_proof();
    assert_eq!(ear.take(), []);
}

#[tokio::test]
async fn a_change_by_another_is_told_within_the_poll_interval() {
    let directory = Directory::new();
    let interval = Duration::from_millis(10);
    let options = SqliteOptions::new().with_poll_interval(interval);
    let store = directory.store_with(options).await;
    let other = directory.store().await;
    let ear = Ear::on(&store);
    ear.wait_for_proof();
    ear.take();
    for number in 1..10 {
        other.insert(insert(record(number))).await.unwrap();
        // A proof that was asked for after a change has told it before.
        ear.wait_for_proof();
        assert_eq!(ear.take(), [FeedEvent::Reset]);
        // One that comes together with changes of the store's own.
        apply(&store, number, &KeyChange::Disable).await;
        apply(&other, number, &KeyChange::Enable).await;
        apply(&store, number, &KeyChange::Disable).await;
        ear.wait_for_proof();
        let told = ear.take();
        let own = FeedEvent::Changed(id(number));
        let known = [[own, FeedEvent::Reset, own], [own, own, FeedEvent::Reset]];
        assert!(known.iter().any(|known| told == known), "{told:?}");
    }
}

/// Listeners hear proofs even while changes never stop.
#[tokio::test]
async fn a_busy_writer_looks_at_the_others_too() {
    let directory = Directory::new();
    let interval = Duration::from_millis(1);
    let options = SqliteOptions::new().with_poll_interval(interval);
    let store = directory.store_with(options).await;
    let ear = Ear::on(&store);
    directory
        .store()
        .await
        .insert(insert(record(9_999)))
        .await
        .unwrap();
    let began = Instant::now();
    for number in 0.. {
        if ear.has(FeedEvent::Reset) {
            break;
        }
        assert!(began.elapsed() < super::kit::PATIENCE);
        store
            .insert_many(inserts(vec![record(number)]))
            .await
            .pop()
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_as_lost() {
    let directory = Directory::new();
    let interval = Duration::from_secs(1);
    let options = SqliteOptions::new().with_poll_interval(interval);
    let store = directory.store_with(options).await;
    let ear = Ear::on(&store);
    ear.wait_for_proof();
    let other = directory.other();
    other.execute_batch("CREATE TABLE later (one)").unwrap();
    let whole = "PRAGMA wal_checkpoint(TRUNCATE)";
    other.query_row(whole, [], |_| Ok(())).unwrap();
    let mut file = OpenOptions::new()
        .write(true)
        .open(directory.file())
        .unwrap();
    file.write_all(&[0xaa; 100]).unwrap();
    eventually("the feed is lost", || ear.has(FeedEvent::Lost));
    // Whoever listens from now on hears it first.
    let late = Ear::on(&store);
    assert_eq!(late.take()[0], FeedEvent::Lost);
}
