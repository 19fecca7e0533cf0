//! Every wait has a deadline, every queue a bound, and nobody needs to wait for a change.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use rusqlite::Connection;
use tower_api_key::KeyRegistry;
use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{
    ChangeFeed, FeedEvent, FeedListener, SqliteOptions, SqliteStore, StoreErrorKind,
};

use super::kit::{
    Directory, PATIENCE, apply, assert_fails, at, commit, eventually, find, id, insert, inserts,
    record, try_apply,
};

/// Takes the write lock of the file until it is dropped.
fn lock(directory: &Directory) -> Connection {
    let connection = directory.other();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

fn patient() -> SqliteOptions {
    SqliteOptions::new().with_busy_timeout(PATIENCE)
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_was_queued_is_done() {
    let directory = Directory::new();
    let options = patient().with_queue(2);
    let store = directory.store_with(options).await;
    let locked = lock(&directory);
    // One is under way, once the thread has taken it, and two wait.
    let mut waiting = Vec::new();
    while waiting.len() < 3 {
        let number = u32::try_from(waiting.len()).unwrap();
        let mut added = store.insert(insert(record(number)));
        if poll!(&mut added).is_pending() {
            waiting.push(added);
        }
    }
    let refused = store.insert(insert(record(3))).await;
    let message = format!(
        "2 calls are waiting, the most allowed, for the database {}",
        directory.name()
    );
    assert_fails(refused, StoreErrorKind::Overloaded, &message);
    let many = store.insert_many(inserts(vec![record(9)])).await;
    assert_eq!(
        many[0].as_ref().unwrap_err().kind(),
        StoreErrorKind::Overloaded
    );
    // Lookups and lists have a queue and connections of their own.
    assert_eq!(find(&store, 0).await, None);
    assert_eq!(store.get(&id(0)).await.unwrap(), None);
    drop(locked);
    for (number, added) in (0..).zip(waiting) {
        added.await.unwrap();
        assert_eq!(*find(&store, number).await.unwrap(), record(number));
    }
}

/// Holds the thread that makes changes, as a listener that takes long.
struct Gate {
    is_reached: AtomicBool,
    opens: Mutex<Receiver<()>>,
}

impl FeedListener for Gate {
    fn on_event(&self, event: FeedEvent) {
        if event == FeedEvent::Added(id(1)) {
            self.is_reached.store(true, Ordering::SeqCst);
            let _ = self.opens.lock().unwrap().recv();
        }
    }
}

#[tokio::test]
async fn a_change_that_has_not_begun_at_its_deadline_is_never_made() {
    let directory = Directory::new();
    let other = directory.store().await;
    let options = patient().with_deadline(Duration::from_secs(1));
    let store = SqliteStore::connect_with(&directory.url(), options).await;
    let store = store.unwrap();
    let (open, opens) = channel();
    let gate = Arc::new(Gate {
        is_reached: AtomicBool::new(false),
        opens: Mutex::new(opens),
    });
    let listener: Arc<dyn FeedListener> = gate.clone();
    store.watch(Arc::downgrade(&listener));
    let mut added = store.insert(insert(record(1)));
    assert!(poll!(&mut added).is_pending());
    eventually("the thread is held", || {
        gate.is_reached.load(Ordering::SeqCst)
    });
    let message = format!("the database {} did not answer within 1s", directory.name());
    let late = try_apply(&store, 1, &KeyChange::Disable).await;
    assert_fails(late, StoreErrorKind::TimedOut, &message);
    drop(added);
    drop(open);
    // It waits for the thread, and so for all that was called for.
    drop(store);
    assert_eq!(*find(&other, 1).await.unwrap(), record(1));
}

#[tokio::test]
async fn changes_that_timed_out_before_the_lock_are_never_made() {
    let directory = Directory::new();
    let other = directory.store().await;
    other.insert(insert(record(1))).await.unwrap();
    let disabled = apply(&other, 1, &KeyChange::Disable).await;
    let options = patient().with_deadline(Duration::from_secs(1));
    let store = SqliteStore::connect_with(&directory.url(), options).await;
    let store = store.unwrap();
    let locked = lock(&directory);
    // All wait for the lock or for each other; the first that is made lets the key in again.
    let enable = (0..5).map(|_| store.commit(commit(&disabled, &KeyChange::Enable)));
    for change in join_all(enable).await {
        assert_eq!(change.unwrap_err().kind(), StoreErrorKind::TimedOut);
    }
    drop(locked);
    // It waits for the thread, and so for all that was called for.
    drop(store);
    assert_eq!(find(&other, 1).await.unwrap(), disabled);
}

#[tokio::test]
async fn a_lock_that_is_not_given_up_fails_the_change_and_nothing_else() {
    let directory = Directory::new();
    let options = SqliteOptions::new().with_busy_timeout(Duration::from_millis(30));
    let store = directory.store_with(options).await;
    store.insert(insert(record(1))).await.unwrap();
    let locked = lock(&directory);
    let message = format!(
        "another connection has locked the database {}",
        directory.name()
    );
    let changed = try_apply(&store, 1, &KeyChange::Disable).await;
    assert_fails(changed, StoreErrorKind::TimedOut, &message);
    assert_eq!(*find(&store, 1).await.unwrap(), record(1));
    drop(locked);
    apply(&store, 1, &KeyChange::Disable).await;
}

#[tokio::test]
async fn a_change_is_made_whole_even_if_nobody_waits_for_it() {
    let directory = Directory::new();
    let store = directory.store_with(patient()).await;
    store.insert(insert(record(1))).await.unwrap();
    let locked = lock(&directory);
    {
        let revoke = KeyChange::Revoke(Revocation::new(at(1), "lost"));
        let mut dropped = pin!(store.commit(commit(&record(1), &revoke)));
        assert!(poll!(&mut dropped).is_pending());
        let mut dropped = pin!(store.insert(insert(record(2))));
        assert!(poll!(&mut dropped).is_pending());
    }
    // A call that was never polled changes nothing.
    drop(store.insert(insert(record(3))));
    drop(locked);
    store.insert(insert(record(4))).await.unwrap();
    assert!(find(&store, 1).await.unwrap().revocation().is_some());
    assert_eq!(*find(&store, 2).await.unwrap(), record(2));
    assert_eq!(find(&store, 3).await, None);
}

#[tokio::test]
async fn the_last_clone_finishes_what_was_called_for_and_closes_the_file() {
    let directory = Directory::new();
    let store = directory.store_with(patient()).await;
    let clone = store.clone();
    let locked = lock(&directory);
    {
        let mut dropped = pin!(clone.insert(insert(record(1))));
        assert!(poll!(&mut dropped).is_pending());
    }
    drop(store);
    drop(locked);
    drop(clone);
    // SQLite removes its log when the last connection is closed.
    assert!(!directory.path().join("keys.db-wal").exists());
    assert_eq!(*find(&directory.store().await, 1).await.unwrap(), record(1));
}

#[tokio::test]
async fn nonsense_is_refused_when_the_store_is_opened() {
    let directory = Directory::new();
    let refused = async |options: SqliteOptions, message: &str| {
        let opened = SqliteStore::connect_with(&directory.url(), options).await;
        assert_fails(opened, StoreErrorKind::Misconfigured, message);
        assert!(!directory.file().exists());
    };
    let options = SqliteOptions::new;
    for prefix in [
        "",
        "1a",
        "_a",
        "Keys",
        "a-b",
        "a;b",
        "é",
        "sqlite_a",
        &"a".repeat(33),
    ] {
        let message = format!(
            "expected a table prefix of 1 to 32 of a-z, 0-9 and _ that starts with a letter and \
             not with sqlite_, found {prefix:?}"
        );
        refused(options().with_table_prefix(prefix), &message).await;
    }
    let (none, long) = (Duration::ZERO, Duration::from_secs(3_601));
    for (options, what) in [
        (
            options().with_deadline(none),
            "a deadline from 1ms to 3600s, found 0ns",
        ),
        (
            options().with_busy_timeout(long),
            "a busy time-out from 1ms to 3600s, found 3601s",
        ),
        (
            options().with_poll_interval(none),
            "a poll interval from 1ms to 3600s, found 0ns",
        ),
        (options().with_readers(0), "1 to 256 readers, found 0"),
        (options().with_readers(257), "1 to 256 readers, found 257"),
        (
            options().with_queue(100_000),
            "1 to 65536 waiting calls, found 100000",
        ),
    ] {
        refused(options, &format!("expected {what}")).await;
    }
    directory
        .store_with(options().with_table_prefix("a".repeat(32)))
        .await;
}
