//! Rows that are no record.

use tower_api_key::store::{PageRequest, StoreErrorKind};
use tower_api_key::{KeyRegistry, KeyStore, Scope};

use super::kit::{Directory, assert_fails, context, digest, find, id, record, version};

const KEYS: &str = "tower_api_key_keys";
const SECRETS: &str = "tower_api_key_secrets";

/// A store with one key, of which somebody has changed a row by hand.
async fn damaged(sql: &str) -> (Directory, tower_api_key::store::SqliteStore) {
    let directory = Directory::new();
    let store = directory.store().await;
    let two = record(1).with_secret_versions([version(1, 1), version(2, 2)]);
    store.insert(two, context()).await.unwrap();
    store.insert(record(3), context()).await.unwrap();
    directory.other().execute_batch(sql).unwrap();
    (directory, store)
}

#[tokio::test]
async fn a_row_that_is_no_record_is_an_error_that_names_it() {
    let of_key = |set: &str| format!("UPDATE {KEYS} SET {set} WHERE key = 1");
    let of_secret = |set: &str| format!("UPDATE {SECRETS} SET {set} WHERE number = 1 AND key = 1");
    for (sql, expected, table) in [
        (of_key("disabled = 7"), "0 or 1 in disabled, found 7", KEYS),
        (
            of_key("owner = CAST(x'ff' AS TEXT)"),
            "UTF-8, found other octets in owner",
            KEYS,
        ),
        (
            of_key("name = CAST(x'c0af' AS TEXT)"),
            "UTF-8, found other octets in name",
            KEYS,
        ),
        (
            of_key("created_at = 9223372036854775807"),
            "microseconds of a time up to the year 9999, found 9223372036854775807 in created_at",
            KEYS,
        ),
        (
            of_key("revoked_at = -9223372036854775807"),
            "microseconds of a time up to the year 9999, found -9223372036854775807 in revoked_at",
            KEYS,
        ),
        (
            of_key("changes = 4294967296"),
            "a number from 0 to 4,294,967,295, found 4294967296 in changes",
            KEYS,
        ),
        (
            of_key("metadata = '{\"a\":1}'"),
            "a JSON object of texts in metadata, found something else",
            KEYS,
        ),
        (
            of_secret("number = -1"),
            "a number from 0 to 4,294,967,295, found -1 in number",
            SECRETS,
        ),
        (
            of_secret("prefix = 'SECRET'"),
            "a prefix of 8 lower-case hexadecimal digits, found another text",
            SECRETS,
        ),
        (
            of_secret("retires_at = 9223372036854775807"),
            "microseconds of a time up to the year 9999, found 9223372036854775807 in retires_at",
            SECRETS,
        ),
        (
            of_secret("digest = x'00112233'"),
            "32 octets, found 4 in digest",
            SECRETS,
        ),
    ] {
        let (directory, store) = damaged(&sql).await;
        let message = format!(
            "expected {expected}, in the table {table}, of {}, in the database {}",
            id(1),
            directory.name()
        );
        let corrupt = StoreErrorKind::Corrupt;
        // By the other digest of the key, which is whole.
        assert_fails(store.find(&digest(2)).await, corrupt, &message);
        assert_fails(store.find_now(&digest(2)).unwrap(), corrupt, &message);
        assert_fails(store.get(&id(1)).await, corrupt, &message);
        let change = tower_api_key::record::KeyChange::Disable;
        assert_fails(
            store.apply(&id(1), &change, context()).await,
            corrupt,
            &message,
        );
        if !expected.contains("owner") {
            let page = PageRequest::default();
            assert_fails(store.list("acct_42", &page).await, corrupt, &message);
        }
        assert_eq!(*find(&store, 3).await.unwrap(), record(3));
    }
}

#[tokio::test]
async fn an_id_or_a_key_that_is_missing_is_an_error_too() {
    let of_key = format!("UPDATE {KEYS} SET id = x'01' WHERE key = 1");
    let (directory, store) = damaged(&of_key).await;
    let message = format!(
        "expected 16 octets, found 1 in id, in the table {KEYS}, in the database {}",
        directory.name()
    );
    assert_fails(
        store.find(&digest(1)).await,
        StoreErrorKind::Corrupt,
        &message,
    );

    let orphan = format!("PRAGMA foreign_keys = off; DELETE FROM {KEYS} WHERE key = 1");
    let (directory, store) = damaged(&orphan).await;
    let message = format!(
        "expected the key of a secret, found none, in the table {SECRETS}, in the database {}",
        directory.name()
    );
    assert_fails(
        store.find(&digest(1)).await,
        StoreErrorKind::Corrupt,
        &message,
    );
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
}

/// As `sqlite3` deletes keys, with its foreign keys off.
#[tokio::test]
async fn a_secret_whose_key_was_deleted_by_hand_never_becomes_one_of_another_key() {
    let keys = format!("PRAGMA foreign_keys = off; DELETE FROM {KEYS}");
    let (_directory, store) = damaged(&keys).await;
    for number in 4..8 {
        store.insert(record(number), context()).await.unwrap();
    }
    for orphan in 1..4 {
        let found = store.find(&digest(orphan)).await;
        assert_eq!(found.unwrap_err().kind(), StoreErrorKind::Corrupt);
    }
    for number in 4..8 {
        assert_eq!(*find(&store, number).await.unwrap(), record(number));
    }
}

#[tokio::test]
async fn scopes_that_are_none_grant_nothing() {
    let of_key =
        format!("UPDATE {KEYS} SET scopes = 'read  \"x\" wri\\te \u{e9} reports' WHERE key = 1");
    let (_directory, store) = damaged(&of_key).await;
    let held = find(&store, 1).await.unwrap();
    let expected = [Scope::READ, Scope::from_static("reports")];
    assert_eq!(held.scopes(), &expected.into());
}

/// A key is revoked by hand with one column.
#[tokio::test]
async fn a_revocation_by_hand_holds_at_once() {
    let (_directory, store) =
        damaged(&format!("UPDATE {KEYS} SET revoked_at = 0 WHERE key = 1")).await;
    let revoked = find(&store, 2).await.unwrap();
    assert_eq!(revoked.revocation().unwrap().reason(), "");
}
