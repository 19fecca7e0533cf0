//! Who may read and write the files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use tower_api_key::KeyRegistry as _;
use tower_api_key::store::{SqliteOptions, SqliteStore, StoreErrorKind};

use super::kit::{Directory, Guard, assert_fails, child, database_of_child, insert, record};

/// The database, and what SQLite keeps beside it.
const FILES: [&str; 3] = ["", "-wal", "-shm"];

fn beside(path: &Path, ending: &str) -> String {
    format!("{}{ending}", path.display())
}

#[tokio::test]
async fn files_are_created_for_their_owner_alone_whatever_the_umask() {
    let Some(path) = database_of_child() else {
        for umask in ["000", "022", "077", "0277"] {
            let directory = Directory::new();
            let test = "files::files_are_created_for_their_owner_alone_whatever_the_umask";
            let same = child(test, &directory.file());
            let mut shell = Command::new("sh");
            shell
                .args(["-c", "umask \"$0\" && exec \"$@\"", umask])
                .arg(same.get_program())
                .args(same.get_args());
            for (name, value) in same.get_envs() {
                shell.env(name, value.unwrap());
            }
            Guard(shell.spawn().unwrap()).assert_success();
        }
        return;
    };
    let store = SqliteStore::connect(path.to_str().unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    store.insert(insert(record(1))).await.unwrap();
    for ending in FILES {
        let name = beside(&path, ending);
        let mode = fs::metadata(&name).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_others_can_write_is_rejected() {
    let directory = Directory::new();
    drop(directory.store().await);
    for (ending, mode) in [
        ("", 0o660),
        ("", 0o606),
        ("", 0o666),
        ("-wal", 0o620),
        ("-shm", 0o602),
    ] {
        let name = beside(&directory.file(), ending);
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&name)
            .unwrap();
        fs::set_permissions(&name, Permissions::from_mode(mode)).unwrap();
        let message = format!(
            "others can write the file {name}: its mode is {mode:04o}; run chmod go-w on it"
        );
        let opened = SqliteStore::connect(&directory.name()).await;
        assert_fails(opened, StoreErrorKind::Misconfigured, &message);
        fs::set_permissions(&name, Permissions::from_mode(0o644)).unwrap();
    }
    // What others can only read is used, and stays as it is.
    drop(directory.store().await);
    let mode = fs::metadata(directory.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[tokio::test]
async fn what_is_beside_the_target_of_a_link_is_examined() {
    let directory = Directory::new();
    let target = directory.path().join("target.db");
    symlink(&target, directory.file()).unwrap();
    drop(SqliteStore::open(&target).await.unwrap());
    let journal = directory.path().join("target.db-journal");
    fs::write(&journal, "").unwrap();
    fs::set_permissions(&journal, Permissions::from_mode(0o666)).unwrap();
    let opened = SqliteStore::connect(&directory.name()).await;
    let name = fs::canonicalize(&journal).unwrap();
    let name = name.display();
    let message =
        format!("others can write the file {name}: its mode is 0666; run chmod go-w on it");
    assert_fails(opened, StoreErrorKind::Misconfigured, &message);
}

#[tokio::test]
async fn no_file_is_created_where_a_link_leads() {
    let directory = Directory::new();
    let target = directory.path().join("target.db");
    symlink(&target, directory.file()).unwrap();
    let error = SqliteStore::connect(&directory.url()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
    assert!(!target.exists());
}

#[tokio::test]
async fn a_path_is_never_a_uri() {
    let directory = Directory::new();
    let path = directory.path().join("file:keys.db?mode=memory");
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.path(), path);
    assert!(path.is_file());
}

#[tokio::test]
async fn a_file_that_must_exist_is_not_created() {
    let directory = Directory::new();
    let name = directory.name();
    let message = format!("the database {name} does not exist");
    let existing = || SqliteOptions::new().with_existing_file();
    for opened in [
        SqliteStore::connect(&format!("{}?mode=rw", directory.url())).await,
        SqliteStore::connect_with(&format!("{}?mode=rwc", directory.url()), existing()).await,
        SqliteStore::open_with(&name, existing()).await,
    ] {
        assert_fails(opened, StoreErrorKind::Misconfigured, &message);
        assert!(!directory.file().exists());
    }
    drop(directory.store().await);
    let opened = SqliteStore::open_with(&name, existing()).await.unwrap();
    opened.insert(insert(record(1))).await.unwrap();
}
