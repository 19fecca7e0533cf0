//! Sessions in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::{Kept, MAX_SESSIONS, MAX_SESSIONS_OF_KEY, SessionDigest, Shelf, now};
use crate::database::{Outcome, Sqlite};

pub(super) struct SqliteShelf(Sqlite);

impl SqliteShelf {
    pub(super) async fn open(database: Sqlite) -> Outcome<Self> {
        let schema = "CREATE TABLE IF NOT EXISTS trucustom_sessions (
                 number INTEGER PRIMARY KEY AUTOINCREMENT,
                 digest BLOB NOT NULL UNIQUE,
                 key_id TEXT NOT NULL,
                 data TEXT NOT NULL,
                 expires_at INTEGER NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS trucustom_sessions_of_key
                 ON trucustom_sessions (key_id, number);";
        let made = database.write(|connection| connection.execute_batch(schema));
        made.await?;
        Ok(Self(database))
    }
}

#[async_trait]
impl Shelf for SqliteShelf {
    async fn create(&self, session: Kept) -> Outcome<()> {
        let insert = "INSERT INTO trucustom_sessions (digest, key_id, data, expires_at)
                      VALUES (?1, ?2, ?3, ?4)";
        // What the key itself has too many of is no reason to end another's.
        let end_of_key = "DELETE FROM trucustom_sessions WHERE expires_at <= ?1 OR number IN
                              (SELECT number FROM trucustom_sessions WHERE key_id = ?2
                               ORDER BY number DESC LIMIT -1 OFFSET ?3)";
        let end_of_all = "DELETE FROM trucustom_sessions WHERE number IN
                              (SELECT number FROM trucustom_sessions
                               ORDER BY number DESC LIMIT -1 OFFSET ?1)";
        let work = move |connection: &mut rusqlite::Connection| {
            let Kept {
                digest,
                key_id,
                data,
                expires_at,
            } = session;
            let transaction = connection.transaction()?;
            transaction.execute(insert, params![digest, key_id, data, expires_at])?;
            transaction.execute(end_of_key, params![now(), key_id, MAX_SESSIONS_OF_KEY])?;
            transaction.execute(end_of_all, [MAX_SESSIONS])?;
            transaction.commit()
        };
        self.0.write(work).await
    }

    async fn save(&self, session: Kept) -> Outcome<()> {
        let sql = "UPDATE trucustom_sessions SET data = ?2, expires_at = ?3 WHERE digest = ?1";
        let work = move |connection: &mut rusqlite::Connection| {
            let values = params![session.digest, session.data, session.expires_at];
            connection.execute(sql, values)
        };
        self.0.write(work).await?;
        Ok(())
    }

    async fn load(&self, digest: SessionDigest) -> Outcome<Option<(String, i64)>> {
        let sql = "SELECT data, expires_at FROM trucustom_sessions
                   WHERE digest = ?1 AND expires_at > ?2";
        let work = move |connection: &rusqlite::Connection| {
            let found = connection.query_row(sql, params![digest, now()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            });
            found.optional()
        };
        self.0.read(work).await
    }

    async fn delete(&self, digest: SessionDigest) -> Outcome<()> {
        let sql = "DELETE FROM trucustom_sessions WHERE digest = ?1";
        let work = move |connection: &mut rusqlite::Connection| connection.execute(sql, [digest]);
        self.0.write(work).await?;
        Ok(())
    }
}
