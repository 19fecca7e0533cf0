//! Rows that somebody has changed by hand.

use tower_api_key::record::KeyChange;
use tower_api_key::store::{Inserted, PageRequest, SqliteStore, StoreErrorKind};
use tower_api_key::{KeyRegistry, KeyStore};

use super::kit::{
    Directory, assert_fails, commit, digest, find, id, insert, record, rows, try_apply, version,
};

const KEYS: &str = "tower_api_key_keys";

/// A store with two keys, the first with two secrets, after these statements.
async fn damaged(sql: &str) -> (Directory, SqliteStore) {
    let directory = Directory::new();
    let store = directory.store().await;
    let two = record(1).with_secret_versions([version(1, 1), version(2, 2)]);
    store.insert(insert(two)).await.unwrap();
    store.insert(insert(record(3))).await.unwrap();
    directory.other().execute_batch(sql).unwrap();
    (directory, store)
}

#[tokio::test]
async fn a_corrupt_document_is_an_error_that_names_the_key_and_the_cause() {
    for (document, cause) in [
        ("''", "is invalid at line 1 column 0"),
        ("'{}'", "is invalid at line 1 column 2"),
        ("CAST(x'ff' AS TEXT)", "is invalid at line 1 column 1"),
        (
            "json_set(document, '$.limit', 5)",
            "is invalid at line 1 column ",
        ),
        (
            "json_set(document, '$.version', 2)",
            "has version 2, written by another version of this crate",
        ),
        (
            "json_set(document, '$.secrets[1].digest', '00112233')",
            "has a digest that is not SHA-256",
        ),
        (
            "(SELECT document FROM tower_api_key_keys WHERE key = 2)",
            "is that of another key",
        ),
        (
            "json_set(document, '$.changes', 7)",
            "has another revision than its row",
        ),
    ] {
        let damage = format!("UPDATE {KEYS} SET document = {document} WHERE key = 1");
        let (directory, store) = damaged(&damage).await;
        let expected = format!(
            "{} is corrupt in the database {}: the key document {cause}",
            id(1),
            directory.name()
        );
        for error in [
            store.find(&digest(1)).await.unwrap_err(),
            store.find(&digest(2)).await.unwrap_err(),
            store.try_find(&digest(2)).unwrap().unwrap_err(),
            store.get(&id(1)).await.unwrap_err(),
            try_apply(&store, 1, &KeyChange::Disable).await.unwrap_err(),
            store
                .list("acct_42", &PageRequest::default())
                .await
                .unwrap_err(),
        ] {
            assert_eq!(error.kind(), StoreErrorKind::Corrupt);
            let message = error.to_string();
            assert!(message.starts_with(&expected), "{message}");
        }
        assert_eq!(*find(&store, 3).await.unwrap(), record(3));
        // It can still be deleted: a commit compares revisions, and reads no document.
        let delete = commit(&record(1), &KeyChange::Delete);
        store.commit(delete).await.unwrap();
        assert_eq!(store.find(&digest(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_last_use_that_is_no_time_is_an_error_and_denies_nobody() {
    let damage = "UPDATE tower_api_key_secrets SET last_used_at = 9223372036854775807";
    let (directory, store) = damaged(damage).await;
    let message = format!(
        "a column of the database {} has a value that cannot be read",
        directory.name()
    );
    let corrupt = StoreErrorKind::Corrupt;
    assert_fails(store.get(&id(3)).await, corrupt, &message);
    assert_eq!(*find(&store, 3).await.unwrap(), record(3));
}

/// As `sqlite3` deletes keys, with its foreign keys off.
#[tokio::test]
async fn a_secret_whose_key_was_deleted_by_hand_never_becomes_one_of_another_key() {
    let keys = format!("PRAGMA foreign_keys = off; DELETE FROM {KEYS}");
    let (directory, store) = damaged(&keys).await;
    let once = |number| insert(record(number)).with_idempotency_key(Some([1; 32]));
    for number in 4..8 {
        store.insert(insert(record(number))).await.unwrap();
    }
    for orphan in 1..4 {
        assert_eq!(find(&store, orphan).await, None);
    }
    for number in 4..8 {
        assert_eq!(*find(&store, number).await.unwrap(), record(number));
    }
    assert_eq!(rows(&directory, "secrets"), 7);

    // Nor does its idempotency key find another key.
    store.insert(once(8)).await.unwrap();
    let deletion = format!("PRAGMA foreign_keys = off; DELETE FROM {KEYS} WHERE id = ?1");
    let (off, delete) = deletion.split_once(';').unwrap();
    let other = directory.other();
    other.execute_batch(off).unwrap();
    other.execute(delete, [id(8).as_bytes()]).unwrap();
    let inserted = store.insert(once(9)).await.unwrap();
    assert_eq!(inserted, Inserted::Created);
}

/// An operator without the application revokes a key in its document.
#[tokio::test]
async fn a_revocation_by_hand_holds_at_once() {
    let (_directory, store) = damaged(&format!(
        "UPDATE {KEYS} SET revoked = 1, revision = revision + 1, document = json_set(document, \
         '$.revoked', json_object('at', '2026-01-01T00:00:00Z', 'reason', 'lost'), \
         '$.changes', json_extract(document, '$.changes') + 1) WHERE key = 1"
    ))
    .await;
    let revoked = find(&store, 2).await.unwrap();
    assert_eq!(revoked.revocation().unwrap().reason(), "lost");
    store
        .commit(commit(&revoked, &KeyChange::Delete))
        .await
        .unwrap();
}
