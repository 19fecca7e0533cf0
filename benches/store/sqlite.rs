//! SQLite.

use std::sync::Mutex;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use tower_api_key::key::KeyDigest;
use tower_api_key::store::SqliteStore;

use crate::timing::LookUp;
use crate::{keys, report};

pub(crate) async fn run(keys: usize, look_ups: usize) {
    let path = std::env::temp_dir().join(format!("bench-{}.db", std::process::id()));
    let store = SqliteStore::connect(path.to_str().unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    keys::fill("sqlite", &store, keys).await;
    let raw = Connection::open(&path).unwrap();
    // Otherwise a cached statement is planned anew at every call, and raw is no match.
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .unwrap();
    let raw = Raw(Mutex::new(raw));
    report::print("sqlite", &raw, &store, keys, look_ups).await;
    drop(raw);
    drop(store);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

/// One connection, as a program without a pool would have it.
struct Raw(Mutex<Connection>);

const QUERY: &str = "SELECT k.key, k.id, k.document FROM tower_api_key_secrets s \
    JOIN tower_api_key_keys k ON k.key = s.key WHERE s.digest = ?1";

impl LookUp for Raw {
    async fn look_up(&self, digest: KeyDigest) {
        let database = self.0.lock().unwrap();
        let mut query = database.prepare_cached(QUERY).unwrap();
        let row = query.query_row(params![digest.as_bytes()], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, [u8; 16]>(1)?,
                row.get::<_, String>(2)?,
            ))
        });
        std::hint::black_box(row.unwrap());
    }
}
