//! The sessions of people who are signed in to the dashboard, beside the keys, so that they outlive the
//! process and are known to every process.

mod postgres;
mod redis;
mod sqlite;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use crate::database::{Outcome, Postgres, Sqlite, in_time, report};

/// The entry of a session that says who signed in, with the member `key_id`.
pub(crate) const TICKET: &str = "ticket";
/// The most sessions at a time; one more ends the oldest.
pub(crate) const MAX_SESSIONS: i64 = 10_000;
/// The most sessions of one key; one more ends its oldest, and nobody else's.
pub(crate) const MAX_SESSIONS_OF_KEY: i64 = 20;

/// Keeps sessions by the digest of their ids: who reads the database can't sign in with what it holds.
#[async_trait]
trait Shelf: Send + Sync {
    /// Adds a session, ends what is over, and keeps to the most there may be.
    async fn create(&self, session: Kept) -> Outcome<()>;

    /// Changes a session that exists still: a slow request brings none back that was signed out.
    async fn save(&self, session: Kept) -> Outcome<()>;

    /// The data of a session that is not over, and the second when it will be.
    async fn load(&self, digest: SessionDigest) -> Outcome<Option<(String, i64)>>;

    async fn delete(&self, digest: SessionDigest) -> Outcome<()>;
}

type SessionDigest = [u8; 32];

/// A session as it is kept.
struct Kept {
    digest: SessionDigest,
    /// The key that signed in.
    key_id: String,
    data: String,
    expires_at: i64,
}

/// Where sessions are kept.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<dyn Shelf>);

impl Sessions {
    pub(crate) async fn sqlite(database: Sqlite) -> Outcome<Self> {
        Ok(Self(Arc::new(sqlite::SqliteShelf::open(database).await?)))
    }

    pub(crate) async fn postgres(database: Postgres) -> Outcome<Self> {
        let shelf = postgres::PostgresShelf::open(database).await?;
        Ok(Self(Arc::new(shelf)))
    }

    pub(crate) async fn redis(url: &str) -> Outcome<Self> {
        Ok(Self(Arc::new(redis::RedisShelf::connect(url).await?)))
    }
}

#[async_trait]
impl SessionStore for Sessions {
    // An id has 128 random bits: one that exists means a broken source, and is refused.
    async fn create(&self, record: &mut Record) -> Result<()> {
        answer(self.0.create(kept(record)?)).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        answer(self.0.save(kept(record)?)).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let Some((data, expires_at)) = answer(self.0.load(digest(*id))).await? else {
            return Ok(None);
        };
        let decoding = |error: &dyn fmt::Display| Error::Decode(error.to_string());
        Ok(Some(Record {
            id: *id,
            data: serde_json::from_str(&data).map_err(|error| decoding(&error))?,
            expiry_date: OffsetDateTime::from_unix_timestamp(expires_at)
                .map_err(|error| decoding(&error))?,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        answer(self.0.delete(digest(*id))).await
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

fn kept(record: &Record) -> Result<Kept> {
    let ticket = record.data.get(TICKET);
    let key_id = ticket.and_then(|ticket| ticket["key_id"].as_str());
    Ok(Kept {
        digest: digest(record.id),
        key_id: key_id.unwrap_or_default().to_owned(),
        data: serde_json::to_string(&record.data)
            .map_err(|error| Error::Encode(error.to_string()))?,
        expires_at: record.expiry_date.unix_timestamp(),
    })
}

fn digest(id: Id) -> SessionDigest {
    Sha256::digest(id.0.to_be_bytes()).into()
}

async fn answer<T>(work: impl Future<Output = Outcome<T>>) -> Result<T> {
    in_time(work).await.map_err(|error| {
        report(&format!("the sessions cannot be reached: {error}"));
        Error::Backend(error.to_string())
    })
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
