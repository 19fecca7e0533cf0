//! Sessions in PostgreSQL.

use async_trait::async_trait;

use super::{Kept, MAX_SESSIONS, MAX_SESSIONS_OF_KEY, SessionDigest, Shelf, now};
use crate::database::{Outcome, Postgres};

pub(super) struct PostgresShelf(Postgres);

impl PostgresShelf {
    pub(super) async fn open(database: Postgres) -> Outcome<Self> {
        let schema = "CREATE TABLE IF NOT EXISTS trucustom_sessions (
                 number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 digest bytea NOT NULL UNIQUE,
                 key_id text NOT NULL,
                 data text NOT NULL,
                 expires_at bigint NOT NULL
             );
             CREATE INDEX IF NOT EXISTS trucustom_sessions_of_key
                 ON trucustom_sessions (key_id, number);";
        database.make("trucustom_sessions", schema).await?;
        Ok(Self(database))
    }
}

#[async_trait]
impl Shelf for PostgresShelf {
    async fn create(&self, session: Kept) -> Outcome<()> {
        // Every part sees the table as it was: the new session is one of the most there may be. What the key
        // itself has too many of is no reason to end another's.
        let sql = "WITH made AS (
                       INSERT INTO trucustom_sessions (digest, key_id, data, expires_at)
                       VALUES ($1, $2, $3, $4)
                   ), ended AS (
                       SELECT number FROM trucustom_sessions WHERE expires_at <= $5
                       UNION
                       (SELECT number FROM trucustom_sessions WHERE key_id = $2
                        ORDER BY number DESC OFFSET $6)
                   )
                   DELETE FROM trucustom_sessions WHERE number IN
                       (SELECT number FROM trucustom_sessions
                        WHERE number IN (SELECT number FROM ended)
                        OR number IN
                            (SELECT number FROM trucustom_sessions
                             WHERE number NOT IN (SELECT number FROM ended)
                             ORDER BY number DESC OFFSET $7)
                        FOR UPDATE SKIP LOCKED)";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] = [
            &session.digest.as_slice(),
            &session.key_id,
            &session.data,
            &session.expires_at,
            &now(),
            &(MAX_SESSIONS_OF_KEY - 1),
            &(MAX_SESSIONS - 1),
        ];
        self.0.rows(sql, &values).await?;
        Ok(())
    }

    async fn save(&self, session: Kept) -> Outcome<()> {
        let sql = "UPDATE trucustom_sessions SET data = $2, expires_at = $3 WHERE digest = $1";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [
            &session.digest.as_slice(),
            &session.data,
            &session.expires_at,
        ];
        self.0.rows(sql, &values).await?;
        Ok(())
    }

    async fn load(&self, digest: SessionDigest) -> Outcome<Option<(String, i64)>> {
        let sql = "SELECT data, expires_at FROM trucustom_sessions
                   WHERE digest = $1 AND expires_at > $2";
        let rows = self.0.rows(sql, &[&digest.as_slice(), &now()]).await?;
        let found = rows
            .first()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        found.transpose()
    }

    async fn delete(&self, digest: SessionDigest) -> Outcome<()> {
        let sql = "DELETE FROM trucustom_sessions WHERE digest = $1";
        self.0.rows(sql, &[&digest.as_slice()]).await?;
        Ok(())
    }
}
