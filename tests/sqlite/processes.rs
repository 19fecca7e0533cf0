//! Several processes and one file.

use std::fs;
use std::time::Duration;

use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{FeedEvent, SqliteOptions, SqliteStore};
use tower_api_key::{KeyRegistry, KeyStore};

use super::kit::{
    Directory, Ear, Guard, apply, at, child, database_of_child, digest, eventually, find, insert,
    record,
};

#[tokio::test]
async fn ten_processes_make_the_tables_at_once() {
    let directory = Directory::new();
    let children: Vec<_> = (0..10)
        .map(|number: u32| {
            let mut command = child("processes::child_migrates_and_inserts", &directory.file());
            command.env("NUMBER", number.to_string());
            Guard(command.spawn().unwrap())
        })
        .collect();
    let ready = |number| directory.path().join(format!("ready-{number}"));
    eventually("all are ready", || {
        (0..10).all(|number| ready(number).exists())
    });
    fs::write(directory.path().join("go"), "").unwrap();
    for child in children {
        child.assert_success();
    }
    let store = SqliteStore::connect(&directory.url()).await.unwrap();
    for number in 0..10 {
        assert_eq!(*find(&store, number).await.unwrap(), record(number));
    }
    let check = "PRAGMA integrity_check";
    let check = directory
        .other()
        .query_row(check, [], |row| row.get::<_, String>(0));
    assert_eq!(check.unwrap(), "ok");
}

#[tokio::test]
async fn child_migrates_and_inserts() {
    let Some(path) = database_of_child() else {
        return;
    };
    let number: u32 = std::env::var("NUMBER").unwrap().parse().unwrap();
    let beside = |name: String| path.parent().unwrap().join(name);
    fs::write(beside(format!("ready-{number}")), "").unwrap();
    eventually("the start", || beside("go".to_owned()).exists());
    // One machine may have fewer processors than this has processes.
    let patient = SqliteOptions::new()
        .with_busy_timeout(Duration::from_secs(15))
        .with_deadline(Duration::from_secs(20));
    let store = SqliteStore::connect_with(path.to_str().unwrap(), patient)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.insert(insert(record(number))).await.unwrap();
    assert!(store.find(&digest(number)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_revocation_in_another_process_holds_at_once_and_is_told() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    let ear = Ear::on(&store);
    ear.wait_for_proof();
    ear.take();
    let child = child("processes::child_revokes", &directory.file()).spawn();
    Guard(child.unwrap()).assert_success();
    assert!(find(&store, 1).await.unwrap().revocation().is_some());
    ear.wait_for_proof();
    assert!(ear.take().contains(&FeedEvent::Reset));
}

#[tokio::test]
async fn child_revokes() {
    if let Some(path) = database_of_child() {
        let store = SqliteStore::connect(path.to_str().unwrap()).await.unwrap();
        let revoke = KeyChange::Revoke(Revocation::new(at(1), "lost"));
        apply(&store, 1, &revoke).await;
    }
}
