//! What can be wrong with a file, before any key is in it.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use jiff::Timestamp;
use tower_api_key::record::KeyChange;
use tower_api_key::store::{
    AuditPageRequest, KeyUse, PageRequest, ScopeUse, SqliteStore, StoreError, StoreErrorKind,
    UsageBatch, UsageBucket,
};
use tower_api_key::{KeyRegistry, KeyStore, Scope};

use super::kit::{
    Directory, Guard, assert_fails, at, child, context, database_of_child, digest, id, record,
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
        store.find_now(&digest(1)).unwrap().unwrap_err(),
        store.get(&id(1)).await.unwrap_err(),
        store
            .list("acct_42", &PageRequest::default())
            .await
            .unwrap_err(),
        store.insert(record(1), context()).await.unwrap_err(),
        store
            .insert_many(vec![record(1)], context())
            .await
            .pop()
            .unwrap()
            .unwrap_err(),
        store
            .apply(&id(1), &KeyChange::Disable, context())
            .await
            .unwrap_err(),
        store.record_usage(&batch).await.unwrap_err(),
        store.usage(&id(1), at(0)..at(1)).await.unwrap_err(),
        store.scope_uses(&id(1)).await.unwrap_err(),
        store.forget_usage_before(at(0)).await.unwrap_err(),
        store
            .audit("acct_42", &AuditPageRequest::default())
            .await
            .unwrap_err(),
        store.forget_audit_before(at(0)).await.unwrap_err(),
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
        "expected the tables of version 2, found none with the name tower_api_key_keys, in the \
         database {}; call migrate() first",
        directory.name()
    );
    for failure in failures(&store).await {
        assert_eq!(failure, (StoreErrorKind::Misconfigured, message.clone()));
    }
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    store.insert(record(1), context()).await.unwrap();
    assert!(store.find(&digest(1)).await.unwrap().is_some());
}

/// Tables of version 1 had no exercised scopes.
#[tokio::test]
async fn tables_of_the_first_version_are_brought_to_the_newest() {
    let directory = Directory::new();
    let used = KeyUse::new(id(1), 1, at(0))
        .with_allowed(1)
        .with_exercised(Scope::READ);
    let batch = |sequence| UsageBatch::new([1; 16], sequence, [used.clone()]);
    let store = directory.store().await;
    store.insert(record(1), context()).await.unwrap();
    store.record_usage(&batch(1)).await.unwrap();
    drop(store);
    directory
        .other()
        .execute_batch(
            "DROP TABLE tower_api_key_scope_uses; \
             UPDATE tower_api_key_meta SET value = 1 WHERE name = 'schema_version'",
        )
        .unwrap();
    let store = SqliteStore::connect(&directory.url()).await.unwrap();
    let message = format!(
        "expected the tables of version 2, found version 1, in the database {}; call migrate() \
         first",
        directory.name()
    );
    for failure in failures(&store).await {
        assert_eq!(failure, (StoreErrorKind::Misconfigured, message.clone()));
    }
    store.migrate().await.unwrap();
    assert_eq!(store.scope_uses(&id(1)).await.unwrap(), []);
    store.record_usage(&batch(2)).await.unwrap();
    let expected = ScopeUse::new(Scope::READ, at(0), at(0));
    assert_eq!(store.scope_uses(&id(1)).await.unwrap(), [expected]);
    let sums = store.usage(&id(1), Timestamp::MIN..Timestamp::MAX).await;
    assert_eq!(sums.unwrap(), [UsageBucket::new(at(0), 1, 2, 0)]);
}

#[tokio::test]
async fn tables_from_the_future_are_left_alone() {
    let directory = Directory::new();
    directory
        .store()
        .await
        .insert(record(1), context())
        .await
        .unwrap();
    directory
        .other()
        .execute_batch("UPDATE tower_api_key_meta SET value = 3 WHERE name = 'schema_version'")
        .unwrap();
    let before = fs::read(directory.file()).unwrap();
    let store = SqliteStore::connect(&directory.url()).await.unwrap();
    let message = format!(
        "expected the tables of version 2, found version 3, in the database {}; a newer version of \
         this crate made them",
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
        "expected this crate's tables, found others in the database {}",
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
        .insert(record(1), context())
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
