//! What must not create a database.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tower_api_key::store::SqliteStore;

use crate::examples::command;
use crate::file::DatabaseFile;

const NOBODY: &str = "key_00000000000000000000000000000000";
const COMMANDS: [&[&str]; 6] = [
    &["create", "CI", "--scope", "read"],
    &["list"],
    &["show", NOBODY],
    &["rotate", NOBODY],
    &["revoke", NOBODY],
    &["import"],
];

#[test]
fn commands_for_keys_create_no_database() {
    let file = DatabaseFile::new("cli_missing");
    let url = format!("sqlite://{}?mode=rwc", file.path());
    for store in [file.path(), &url] {
        for arguments in COMMANDS {
            let output = run(keys(arguments, store));
            assert_fails(
                &output,
                &format!("error: the database {} does not exist", file.path()),
            );
            assert!(!Path::new(file.path()).exists(), "{arguments:?}");
        }
    }
}

#[test]
fn commands_for_keys_create_no_tables() {
    let file = DatabaseFile::new("cli_foreign");
    let other = rusqlite::Connection::open(file.path()).unwrap();
    other.execute_batch("CREATE TABLE mine (id)").unwrap();
    // An import of nothing asks the store for nothing.
    for arguments in &COMMANDS[..5] {
        let output = run(keys(arguments, file.path()));
        let database = file.path();
        assert_fails(
            &output,
            &format!("error: the store of keys failed: the database {database} has no table "),
        );
    }
    let count = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = other.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_url_with_a_parameter_names_no_odd_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trucustom-urls");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let serve = |store: &str| {
        let mut serve = command("trucustom");
        serve.env("STORE", store).env("LISTEN", "127.0.0.1:0");
        serve.current_dir(&folder);
        serve
    };
    let path = folder.join("x.db");
    let missing = format!("error: the database {} does not exist", path.display());
    assert_fails(&run(serve("sqlite://x.db?mode=rw")), &missing);
    let unknown = "error: unknown parameter \"key\" in an sqlite URL; expected mode=rw or mode=rwc";
    assert_fails(&run(serve("sqlite://x.db?key=hunter2")), unknown);
    let memory =
        "error: mode=memory is not supported in an sqlite URL; expected mode=rw or mode=rwc";
    assert_fails(&run(serve("sqlite://x.db?mode=memory")), memory);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    // Keys, products and sessions are in the file that the URL names.
    let store = SqliteStore::connect(path.to_str().unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    let mut list = keys(&["list"], "sqlite://x.db?mode=rw");
    assert!(run_in(&mut list, &folder).status.success());
    drop(store);
    crate::examples::Example::run(serve("sqlite://x.db?mode=rw")).stop();
    let names = fs::read_dir(&folder).unwrap();
    for name in names.map(|entry| entry.unwrap().file_name()) {
        assert!(
            ["x.db", "x.db-wal", "x.db-shm"]
                .map(Into::into)
                .contains(&name),
            "{name:?}"
        );
    }
    let database = rusqlite::Connection::open(&path).unwrap();
    let beside = "SELECT count(*) FROM sqlite_schema
                  WHERE name IN ('trucustom_products', 'trucustom_sessions')";
    let tables: i64 = database.query_row(beside, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 2);
    drop(database);
    fs::remove_dir_all(folder).unwrap();
}

fn keys(arguments: &[&str], store: &str) -> Command {
    let mut keys = command("trucustom");
    keys.arg("keys").args(arguments).env("STORE", store);
    keys
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

fn run_in(command: &mut Command, folder: &Path) -> Output {
    command.current_dir(folder).output().unwrap()
}

/// It fails with one line, which starts so.
#[track_caller]
fn assert_fails(output: &Output, message: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with(message), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");
}
