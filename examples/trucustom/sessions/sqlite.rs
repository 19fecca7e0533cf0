//! Sessions in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::{Kept, MAX_SESSIONS, MAX_SESSIONS_OF_KEY, SessionDigest, Shelf, now};
use crate::database::{Outcome, Sqlite};

pub(super) struct SqliteShelf(Sqlite);

impl SqliteShelf {
    pub(super) async fn open(database: Sqlite) -> Outcome<Self> {
        let schema = "CREATE TABLE IF NOT EXISTS sessions (
                 number INTEGER PRIMARY KEY AUTOINCREMENT,
                 digest BLOB NOT NULL UNIQUE,
                 key_id TEXT NOT NULL,
                 data TEXT NOT NULL,
                 expires_at INTEGER NOT NULL
             ) STRICT;";
        let made = database.run(|connection| connection.execute_batch(schema));
        made.await?;
        Ok(Self(database))
    }
}

#[async_trait]
impl Shelf for SqliteShelf {
    async fn create(&self, session: Kept) -> Outcome<()> {
        let insert = "INSERT INTO sessions (digest, key_id, data, expires_at)
                      VALUES (?1, ?2, ?3, ?4)";
        let end = "DELETE FROM sessions WHERE expires_at <= ?1 OR number IN
                       (SELECT number FROM sessions WHERE key_id = ?2
                        ORDER BY number DESC LIMIT -1 OFFSET ?3)
                   OR number IN
                       (SELECT number FROM sessions
                        ORDER BY number DESC LIMIT -1 OFFSET ?4)";
        let work = move |connection: &mut rusqlite::Connection| {
            let Kept {
                digest,
                key_id,
                data,
                expires_at,
            } = session;
            let transaction = connection.transaction()?;
            transaction.execute(insert, params![digest, key_id, data, expires_at])?;
            let most = params![now(), key_id, MAX_SESSIONS_OF_KEY, MAX_SESSIONS];
            transaction.execute(end, most)?;
            transaction.commit()
        };
        self.0.run(work).await
    }

    async fn save(&self, session: Kept) -> Outcome<()> {
        let sql = "UPDATE sessions SET data = ?2, expires_at = ?3 WHERE digest = ?1";
        let work = move |connection: &mut rusqlite::Connection| {
            let values = params![session.digest, session.data, session.expires_at];
            connection.execute(sql, values)
        };
        self.0.run(work).await?;
        Ok(())
    }

    async fn load(&self, digest: SessionDigest) -> Outcome<Option<(String, i64)>> {
        let sql = "SELECT data, expires_at FROM sessions
                   WHERE digest = ?1 AND expires_at > ?2";
        let work = move |connection: &mut rusqlite::Connection| {
            let found = connection.query_row(sql, params![digest, now()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            });
            found.optional()
        };
        self.0.run(work).await
    }

    async fn delete(&self, digest: SessionDigest) -> Outcome<()> {
        let sql = "DELETE FROM sessions WHERE digest = ?1";
        let work = move |connection: &mut rusqlite::Connection| connection.execute(sql, [digest]);
        self.0.run(work).await?;
        Ok(())
    }
}
