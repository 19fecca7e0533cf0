//! What can be wrong with a file, before any key is in it.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use tower_api_key::record::KeyChange;
use tower_api_key::store::{
    AuditLog, AuditPageRequest, KeyUse, PageRequest, SqliteStore, StoreError, StoreErrorKind,
    UsageBatch, UsageStore,
};
use tower_api_key::{KeyRegistry, KeyStore};

use super::kit::{
    Directory, Guard, assert_fails, at, child, commit, database_of_child, digest, id, insert,
    inserts, record,
};

async fn connect(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::connect(path.to_str().unwrap()).await
}

async fn assert_no_database(path: &Path, message: &str) {
    assert_fails(connect(path).await, StoreErrorKind::Misconfigured, message);
}

#[tokio::test]
async fn another_scheme_is_named_and_nothing_else_of_the_url() {
    let url = "postgres://me:hunter2@db.example.com/keys";
    let message = "expected sqlite://path or a path, found a URL of the scheme postgres";
    let result = SqliteStore::connect(url).await;
    assert_fails(result, StoreErrorKind::Misconfigured, message);
}

#[tokio::test]
async fn a_place_without_a_database_is_named() {
    let directory = Directory::new();
    let missing = directory.path().join("no/keys.db");
    let (parent, name) = (missing.parent().unwrap().display(), missing.display());
    let message = format!("expected the directory {parent}, found none, of the database {name}");
    assert_no_database(&missing, &message).await;
    assert!(!directory.path().join("no").exists());

    let name = directory.path().display();
    let message = format!("expected a database, found the directory {name}");
    assert_no_database(directory.path(), &message).await;

    let text = directory.path().join("notes.txt");
    let contents = "Dear diary, ".repeat(1_000);
    fs::write(&text, &contents).unwrap();
    let name = text.display();
    let message = format!("expected an SQLite database, found another kind of file in {name}");
    assert_no_database(&text, &message).await;
    assert_eq!(fs::read_to_string(&text).unwrap(), contents);
    let error = connect(&text).await.unwrap_err();
    assert_eq!(
        error.source().unwrap().to_string(),
        "file is not a database"
    );
}

/// Every call on a store, and its kind of failure.
async fn failures(store: &SqliteStore) -> Vec<(StoreErrorKind, String)> {
    let batch = UsageBatch::new([1; 16], 1, [KeyUse::new(id(1), 1, at(0))]);
    let errors = [
        store.find(&digest(1)).await.unwrap_err(),
        store.try_find(&digest(1)).unwrap().unwrap_err(),
        store.get(&id(1)).await.unwrap_err(),
        store
            .list("acct_42", &PageRequest::default())
            .await
            .unwrap_err(),
        store.insert(insert(record(1))).await.unwrap_err(),
        store
            .insert_many(inserts(vec![record(1)]))
            .await
            .pop()
            .unwrap()
            .unwrap_err(),
        store
            .commit(commit(&record(1), &KeyChange::Disable))
            .await
            .unwrap_err(),
        store.record_usage(&batch).await.unwrap_err(),
        store.usage(&id(1), at(0)..at(1)).await.unwrap_err(),
        store.prune_usage_before(at(0)).await.unwrap_err(),
        store
            .audit("acct_42", &AuditPageRequest::default())
            .await
            .unwrap_err(),
        store.prune_audit_before(at(0)).await.unwrap_err(),
    ];
    let errors = errors.iter();
    errors
        .map(|error| (error.kind(), error.to_string()))
        .collect()
}

#[tokio::test]
async fn calls_before_the_tables_are_there_say_so() {
    let directory = Directory::new();
    let store = SqliteStore::connect(&directory.url()).await.unwrap();
    let message = format!(
        "the database {} has no table tower_api_key_keys; call migrate() first",
        directory.name()
    );
    for failure in failures(&store).await {
        assert_eq!(failure, (StoreErrorKind::Misconfigured, message.clone()));
    }
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    store.insert(insert(record(1))).await.unwrap();
    assert!(store.find(&digest(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn tables_may_be_made_by_hand() {
    let directory = Directory::new();
    let tables = include_str!("../../src/store/sqlite/schema/tables.sql");
    directory.other().execute_batch(tables).unwrap();
    let store = SqliteStore::connect(&directory.url()).await.unwrap();
    store.insert(insert(record(1))).await.unwrap();
    store.migrate().await.unwrap();
    assert!(store.find(&digest(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn tables_from_the_future_are_left_alone() {
    let directory = Directory::new();
    directory
        .store()
        .await
        .insert(insert(record(1)))
        .await
        .unwrap();
    directory
        .other()
        .execute_batch("UPDATE tower_api_key_meta SET value = 2 WHERE name = 'schema_version'")
        .unwrap();
    let before = fs::read(directory.file()).unwrap();
    let store = SqliteStore::connect(&directory.url()).await.unwrap();
    let message = format!(
        "the tables in the database {} have version 2, and this version of the crate uses version 1",
        directory.name()
    );
    assert_fails(
        store.migrate().await,
        StoreErrorKind::Misconfigured,
        &message,
    );
    for failure in failures(&store).await {
        assert_eq!(failure, (StoreErrorKind::Misconfigured, message.clone()));
    }
    drop(store);
    assert!(fs::read(directory.file()).unwrap() == before);
}

#[tokio::test]
async fn a_table_of_somebody_else_is_left_alone() {
    let directory = Directory::new();
    let other = directory.other();
    other
        .execute_batch("CREATE TABLE tower_api_key_keys (a)")
        .unwrap();
    let store = SqliteStore::connect(&directory.url()).await.unwrap();
    let message = format!(
        "the database {} has other tables under the names of this crate's",
        directory.name()
    );
    assert_fails(
        store.migrate().await,
        StoreErrorKind::Misconfigured,
        &message,
    );
    let tables = "SELECT group_concat(name) FROM sqlite_schema";
    let tables: String = other.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, "tower_api_key_keys");
}

/// Permissions don't bind the superuser, so a child without that power tries.
#[tokio::test]
async fn a_file_or_directory_that_cannot_be_written_is_named() {
    let directory = Directory::new();
    directory
        .store()
        .await
        .insert(insert(record(1)))
        .await
        .unwrap();
    fs::set_permissions(directory.file(), fs::Permissions::from_mode(0o444)).unwrap();
    let new = directory.path().join("new.db");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    for (test, path) in [
        ("errors::child_finds_a_read_only_file", directory.file()),
        ("errors::child_finds_a_read_only_directory", new),
    ] {
        let mut command = child(test, &path);
        if fs::OpenOptions::new()
            .append(true)
            .open(directory.file())
            .is_ok()
        {
            command.uid(NOBODY).gid(NOBODY);
        }
        match command.spawn() {
            Ok(child) => Guard(child).assert_success(),
            // The directories above the test program may be closed to others.
            Err(error) => eprintln!("skipped: no child without the superuser's power: {error}"),
        }
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

const NOBODY: u32 = 65_534;

#[tokio::test]
async fn child_finds_a_read_only_file() {
    if let Some(path) = database_of_child() {
        let name = path.display();
        let message = format!("expected a database that can be written, found {name} read-only");
        assert_no_database(&path, &message).await;
    }
}

#[tokio::test]
async fn child_finds_a_read_only_directory() {
    if let Some(path) = database_of_child() {
        let name = path.display();
        let message =
            format!("cannot open the database {name}, or a file that SQLite keeps beside it");
        assert_no_database(&path, &message).await;
    }
}
