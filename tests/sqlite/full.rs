//! A disk without room.

use std::path::Path;
use std::process::Command;

use tower_api_key::record::KeyRecord;
use tower_api_key::store::{SqliteStore, StoreErrorKind};
use tower_api_key::{KeyRegistry, KeyStore};

use super::kit::{Directory, Guard, child, database_of_child, digest, insert, inserts, record};

/// A limit on the size of files stands for a small disk: it needs no privilege.
#[test]
fn a_file_that_cannot_grow_loses_nothing_that_was_answered() {
    let directory = Directory::new();
    let inner = child("full::child_fills_the_disk", &directory.file());
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 500; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("EXPECTED", "an input/output error occurred");
    Guard(limited.spawn().unwrap()).assert_success();
}

/// A real one, where a test may make it.
#[test]
fn a_full_disk_loses_nothing_that_was_answered() {
    let directory = Directory::new();
    let inner = child("full::child_fills_the_disk", &directory.file());
    let mut small = Command::new("unshare");
    small
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=400k none \"$0\" || exit 77; exec \"$@\"")
        .arg(directory.path())
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("EXPECTED", "the disk of the database");
    let status = small.stderr(std::process::Stdio::inherit()).status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => {}
        Ok(Some(101)) => panic!("the child failed"),
        other => eprintln!("skipped: no small disk can be made here: {other:?}"),
    }
}

/// A key that takes much room.
fn large(number: u32) -> KeyRecord {
    let name = "n".repeat(10_000);
    let small = record(number);
    KeyRecord::new(small.id(), small.owner(), name, small.created_at())
        .with_secret_versions(small.secret_versions().to_vec())
}

#[tokio::test]
async fn child_fills_the_disk() {
    let Some(path) = database_of_child() else {
        return;
    };
    let connect = || SqliteStore::connect(path.to_str().unwrap());
    let store = connect().await.unwrap();
    store.migrate().await.unwrap();
    let mut added = 0;
    let error = loop {
        match store.insert(insert(large(added))).await {
            Ok(_) => added += 1,
            Err(error) => break error,
        }
        assert!(added < 1_000, "the disk never fills");
    };
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let message = error.to_string();
    let expected = std::env::var("EXPECTED").unwrap();
    let name = path.to_str().unwrap();
    assert!(
        message.contains(&expected) && message.contains(name),
        "{message}"
    );
    // Many at once are refused one and all, not in part.
    let many = store.insert_many(inserts((1_000..1_100).map(large))).await;
    for answer in &many {
        assert_eq!(
            answer.as_ref().unwrap_err().kind(),
            StoreErrorKind::Unavailable
        );
    }

    for number in 0..added {
        let found = store.find(&digest(number)).await.unwrap().unwrap();
        assert_eq!(*found, large(number));
    }
    assert_eq!(store.find(&digest(added)).await.unwrap(), None);
    assert_eq!(store.find(&digest(1_000)).await.unwrap(), None);
    drop(store);
    assert_sound(&path);
    let store = connect().await.unwrap();
    assert!(store.find(&digest(added - 1)).await.unwrap().is_some());
    assert_eq!(store.find(&digest(added)).await.unwrap(), None);
}

fn assert_sound(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let check = connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(check.unwrap(), "ok");
}
