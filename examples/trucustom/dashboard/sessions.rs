//! Where sessions are kept: a SQLite file, so that they outlive the process, or memory.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

/// Sessions by the digest of their ids: who reads the file can't sign in with what it holds.
#[derive(Clone)]
pub(crate) struct SessionDatabase(Arc<Mutex<Connection>>);

impl SessionDatabase {
    /// The most sessions at a time; one more ends the oldest.
    pub(crate) const MAX_SESSIONS: i64 = 10_000;
    /// The most sessions of one key; one more ends its oldest, and nobody else's.
    pub(crate) const MAX_SESSIONS_OF_KEY: i64 = 20;

    /// Sessions in a file, which may be that of the keys.
    pub(crate) fn sqlite(path: &Path) -> std::result::Result<Self, Box<dyn StdError>> {
        Ok(Self::of(Connection::open(path)?)?)
    }

    /// Sessions that end with the process.
    pub(crate) fn memory() -> std::result::Result<Self, Box<dyn StdError>> {
        Ok(Self::of(Connection::open_in_memory()?)?)
    }

    fn of(connection: Connection) -> rusqlite::Result<Self> {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS dashboard_sessions (
                 number INTEGER PRIMARY KEY AUTOINCREMENT,
                 digest BLOB NOT NULL UNIQUE,
                 data TEXT NOT NULL,
                 expires_at INTEGER NOT NULL
             ) STRICT",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = self.0.clone();
        let work = move || work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(backend)?.map_err(backend)
    }
}

#[async_trait]
impl SessionStore for SessionDatabase {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let (data, ends) = (encoded(record)?, record.expiry_date.unix_timestamp());
        // An id has 128 random bits: one that exists means a broken source, and is refused.
        let digest = digest(&record.id);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM dashboard_sessions WHERE expires_at <= ?1",
                [now],
            )?;
            transaction.execute(
                "INSERT INTO dashboard_sessions (digest, data, expires_at) VALUES (?1, ?2, ?3)",
                params![digest, data, ends],
            )?;
            transaction.execute(
                "DELETE FROM dashboard_sessions WHERE number IN
                     (SELECT number FROM dashboard_sessions
                      WHERE data ->> '$.ticket.key_id' = ?1 ->> '$.ticket.key_id'
                      ORDER BY number DESC LIMIT -1 OFFSET ?2)",
                params![data, Self::MAX_SESSIONS_OF_KEY],
            )?;
            transaction.execute(
                "DELETE FROM dashboard_sessions WHERE number IN
                     (SELECT number FROM dashboard_sessions ORDER BY number DESC LIMIT -1 OFFSET ?1)",
                [Self::MAX_SESSIONS],
            )?;
            transaction.commit()
        })
        .await
    }

    /// Changes a session that exists still: a slow request brings none back that was signed out.
    async fn save(&self, record: &Record) -> Result<()> {
        let (data, ends) = (encoded(record)?, record.expiry_date.unix_timestamp());
        let digest = digest(&record.id);
        self.run(move |connection| {
            connection.execute(
                "UPDATE dashboard_sessions SET data = ?2, expires_at = ?3 WHERE digest = ?1",
                params![digest, data, ends],
            )
        })
        .await?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let digest = digest(id);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let found = self.run(move |connection| {
            connection
                .query_row(
                    "SELECT data, expires_at FROM dashboard_sessions
                     WHERE digest = ?1 AND expires_at > ?2",
                    params![digest, now],
                    |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
                )
                .optional()
        });
        let Some((data, ends)) = found.await? else {
            return Ok(None);
        };
        Ok(Some(Record {
            id: *id,
            data: serde_json::from_str(&data).map_err(|error| Error::Decode(error.to_string()))?,
            expiry_date: OffsetDateTime::from_unix_timestamp(ends).map_err(backend)?,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let digest = digest(id);
        self.run(move |connection| {
            connection.execute("DELETE FROM dashboard_sessions WHERE digest = ?1", [digest])
        })
        .await?;
        Ok(())
    }
}

impl fmt::Debug for SessionDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionDatabase").finish_non_exhaustive()
    }
}

fn digest(id: &Id) -> [u8; 32] {
    Sha256::digest(id.0.to_be_bytes()).into()
}

fn encoded(record: &Record) -> Result<String> {
    serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))
}

fn backend(error: impl fmt::Display) -> Error {
    Error::Backend(error.to_string())
}
