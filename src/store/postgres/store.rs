//! The store in PostgreSQL.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Config;
use tokio_postgres::types::ToSql;

use super::address;
use super::connector::Connector;
use super::database::Database;
use super::feed::Feed;
use super::options::PostgresOptions;
use super::rows;
use super::sql::{Query, Sql};
use super::stop::{Alive, Stop};
use crate::key::digest::KeyDigest;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::audit_page::{AuditPage, AuditPageRequest};
use crate::store::error::StoreError;
use crate::store::feed::{ChangeFeed, FeedEvent, FeedListener};
use crate::store::key_store::KeyStore;
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::{UsageBatch, UsageBucket};

/// Keeps keys in PostgreSQL, where many machines share them and they outlive every process.
///
/// ```no_run
/// use tower_api_key::store::PostgresStore;
/// use tower_api_key::{ApiKeyLayer, KeyManager};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://app:secret@db.internal/app").await?;
/// store.migrate().await?;
/// let keys = KeyManager::new(store);
/// let layer = ApiKeyLayer::new(keys.store().clone());
/// # Ok(()) }
/// ```
///
/// Clones share one store; its connections close when the last clone is dropped.
///
/// # Connections
///
/// The store has connections of its own, so it never waits for a pool that the application has
/// emptied: two for look-ups, one for changes, and one for the feed of changes once it is watched
/// (see [`PostgresOptions`]). A look-up is one round trip. Each connection is replaced when it is
/// lost, or when it does not answer for the deadline of a call. While a connection is being made,
/// calls wait for it; while none can be made, they fail at once.
///
/// A pooler in between must pool *sessions*: statements are prepared, and the feed listens. With
/// pgbouncer's transaction pooling, calls fail. Only a server that takes writes is connected to,
/// whatever the URL's `target_session_attrs` says, since a standby would not know yet what was
/// revoked; of several hosts in a URL, the first that does is taken.
///
/// # TLS
///
/// `sslmode=require` in the URL demands it, `prefer` (the default) uses it where the server offers
/// it, and `disable` sends everything in the clear. Wherever TLS is used, the server's certificate
/// and host name are verified, as for `verify-full`; there is no unverified TLS. A server with a
/// certificate of its own making is refused until it is
/// [trusted](PostgresOptions::with_root_certificates).
///
/// # Durability
///
/// A change has been committed when its call returns. What that survives is the database's
/// `synchronous_commit`. Time comes from the caller's clock, never from the server's. Keys of
/// other kinds than the manager issues may not hold NUL in a text, nor a time before 4713 BC: they
/// are refused as [`Corrupt`](crate::store::StoreErrorKind::Corrupt).
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    database: Database,
    feed: Feed,
    /// The store's tasks end when this is dropped.
    _alive: Alive,
}

impl PostgresStore {
    /// Connects to the database at a URL, such as `postgres://user:password@host:5432/database`.
    ///
    /// The tables may be missing: see [`migrate`](Self::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreError`] that names host, port and database, and nothing secret, when
    /// - the URL is none ([`Misconfigured`](crate::store::StoreErrorKind::Misconfigured));
    /// - the server cannot be reached ([`Unavailable`](crate::store::StoreErrorKind::Unavailable));
    /// - it refuses the credentials, has no such database, or has no TLS that is trusted where
    ///   TLS is demanded (`Misconfigured`).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer and network enabled.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, PostgresOptions::new()).await
    }

    /// Connects to the database at a URL, with options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and when an option is out of its bounds.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let store = Self::from_config(address::parse(url)?, options)?;
        store.0.database.ready().await?;
        Ok(store)
    }

    /// A store that connects in the background, so that a server can start while the database is
    /// down: until it is up, calls fail.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when
    /// - the configuration names no host, or an option is out of its bounds;
    /// - the root certificates are not PEM text.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "options are made for one store"
    )]
    pub fn from_config(config: Config, options: PostgresOptions) -> Result<Self, StoreError> {
        options.check()?;
        let connector = Arc::new(Connector::new(config, &options)?);
        let sql = Arc::new(Sql::new(&options.table_prefix));
        let (alive, stop) = Stop::new();
        let feed = Feed::new(connector.clone(), &sql, &options, stop.clone());
        let database = Database::start(connector, sql, &options, &stop);
        Ok(Self(Arc::new(Inner {
            database,
            feed,
            _alive: alive,
        })))
    }

    /// Makes the tables, or brings them up to this release's version.
    ///
    /// It may be called at every start, by many processes at once: they wait for each other, and
    /// all but the first find nothing to do. It needs the right to create tables; other calls need
    /// only `SELECT`, `INSERT`, `UPDATE` and `DELETE`.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is changed, when
    /// - the tables are of a later version
    ///   ([`Misconfigured`](crate::store::StoreErrorKind::Misconfigured));
    /// - the right to create tables is missing (`Misconfigured`);
    /// - the database fails, or the migration takes longer than a minute.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.0.database.migrate().await
    }
}

#[async_trait]
impl KeyStore for PostgresStore {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let database = &self.0.database;
        let digest = &digest.as_bytes()[..];
        let found = database
            .within(database.read(Query::Find, &[&digest]))
            .await?;
        rows::record(&found)
    }
}

#[async_trait]
impl KeyRegistry for PostgresStore {
    async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let written = self.0.database.insert(record, context).await?;
        let (record, is_new) = written.into_parts();
        if is_new {
            self.0.feed.tell(FeedEvent::Added(record.id()));
        }
        Ok(record)
    }

    /// In statements of up to 240 records; each has the deadline of a call.
    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let answers = self.0.database.insert_many(records, context).await;
        for record in answers.iter().flatten() {
            self.0.feed.tell(FeedEvent::Added(record.id()));
        }
        answers
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let database = &self.0.database;
        let id = &id.as_bytes()[..];
        let found = database.within(database.read(Query::Get, &[&id])).await?;
        rows::record(&found)
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let database = &self.0.database;
        let after = page.cursor().map(|cursor| cursor.as_bytes().to_vec());
        let after = after.unwrap_or_default();
        // One more than asked for, which tells whether another page follows.
        let limit = i64::try_from(page.limit()).map_or(i64::MAX, |limit| limit + 1);
        let parameters: [&(dyn ToSql + Sync); 3] = [&owner, &after, &limit];
        let found = database.within(database.read(Query::List, &parameters));
        Ok(KeyPage::new(page, rows::records(&found.await?)?))
    }

    async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let written = self.0.database.apply(id, change, context).await?;
        let (record, is_new) = written.into_parts();
        if is_new {
            self.0.feed.tell(FeedEvent::of(*id, change));
        }
        Ok(record)
    }

    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.0.database.audit(owner, page).await
    }

    /// Some thousand entries at a time; each time has the deadline of a call. When it fails, what
    /// it has forgotten before stays forgotten.
    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.0.database.forget_audit(at).await
    }

    /// In one statement, which has the deadline of a call: that of the default is enough for some ten
    /// thousand uses.
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.0.database.count(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.0.database.usage(id, hours).await
    }

    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        self.0.database.scope_uses(id).await
    }

    /// Some thousand sums at a time, as [`forget_audit_before`](Self::forget_audit_before).
    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.0.database.forget_usage(hour).await
    }
}

impl ChangeFeed for PostgresStore {
    /// The first listener opens the feed's connection.
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.0.feed.watch(listener);
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = &self.0.database;
        f.debug_struct("PostgresStore")
            .field("address", &database.address().to_string())
            .field("tables", &format!("{}*", database.sql().prefix()))
            .field("up", &database.up())
            .finish_non_exhaustive()
    }
}
