//! A database file of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use tokio::runtime::Runtime;
use tower_api_key::store::SqliteStore;

/// It is removed with what SQLite keeps beside it.
pub(crate) struct DatabaseFile(PathBuf);

impl DatabaseFile {
    pub(crate) fn new(name: &str) -> Self {
        let file = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.db")));
        file.remove();
        file
    }

    /// A database that a server has started on before.
    pub(crate) fn with_tables(name: &str) -> Self {
        let file = Self::new(name);
        let make = || {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async {
                let store = SqliteStore::connect(file.path()).await.unwrap();
                store.migrate().await.unwrap();
            });
        };
        // Tests have runtimes of their own.
        thread::scope(|scope| scope.spawn(make).join()).unwrap();
        file
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn remove(&self) {
        for beside in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", self.path()));
        }
    }
}

impl Drop for DatabaseFile {
    fn drop(&mut self) {
        self.remove();
    }
}
