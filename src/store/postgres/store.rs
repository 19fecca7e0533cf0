//! The store in PostgreSQL.

use std::fmt;
use std::sync::{Arc, Weak};

use tokio_postgres::Config;

use super::address;
use super::connector::Connector;
use super::database::Database;
use super::feed::Feed;
use super::options::PostgresOptions;
use super::schema::Schema;
use super::stop::{Alive, Stop};
use crate::store::contract::error::StoreError;
use crate::store::contract::feed::{ChangeFeed, FeedEvent, FeedListener};

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
/// emptied: two for lookups, one for changes, and one for the feed of changes once it is watched
/// (see [`PostgresOptions`]). A lookup is one round trip. Each connection is replaced when it is
/// lost, or when it does not answer for the deadline of a call. While a connection is being made,
/// calls wait for it; while none can be made, they fail at once.
///
/// A pooler in between must pool *sessions*: statements are prepared, and the feed listens. With
/// pgbouncer's transaction pooling, calls fail. The store connects only to a server that takes writes,
/// whatever the URL's `target_session_attrs` says, since a standby may lag behind a revocation. Of
/// several hosts in a URL, it uses the first that does.
///
/// # TLS
///
/// `sslmode=require` in the URL demands it, `prefer` (the default) uses it where the server offers
/// it, and `disable` sends everything in the clear. Wherever TLS is used, the server's certificate
/// and host name are verified, as for `verify-full`; there is no unverified TLS. A self-signed
/// certificate is rejected until it is [trusted](PostgresOptions::with_root_certificates).
///
/// # Tables
///
/// [`migrate`](Self::migrate) makes the tables. To make them by hand, apply
/// `src/store/postgres/schema/v1.sql` of this crate. A key is one `jsonb` document, which you can read
/// and query; change keys only through the store.
///
/// # Durability
///
/// A change has been committed when its call returns. What that survives is the database's
/// `synchronous_commit`. Time comes from the caller's clock, never from the server's. PostgreSQL
/// cannot hold U+0000: a record with it in a string is rejected.
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
    /// - it rejects the credentials, has no such database, or has no TLS that is trusted where
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
        let schema = Arc::new(Schema::new(&options.table_prefix));
        let (alive, stop) = Stop::new();
        let feed = Feed::new(connector.clone(), &schema, &options, stop.clone());
        let database = Database::start(connector, schema, &options, &stop);
        Ok(Self(Arc::new(Inner {
            database,
            feed,
            _alive: alive,
        })))
    }

    /// Makes the tables, if there are none.
    ///
    /// Call it at every start, in any number of processes at once: they wait for each other, and all
    /// but the first find nothing to do. It needs the right to create tables; other calls need
    /// only `SELECT`, `INSERT`, `UPDATE` and `DELETE`.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is changed, when
    /// - the tables have another version
    ///   ([`Misconfigured`](crate::store::StoreErrorKind::Misconfigured));
    /// - the right to create tables is missing (`Misconfigured`);
    /// - the database fails, or the migration takes longer than a minute.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.database().migrate().await
    }

    pub(super) fn database(&self) -> &Database {
        &self.0.database
    }

    /// Reports a change that this store has made.
    pub(super) fn tell(&self, event: FeedEvent) {
        self.0.feed.tell(event);
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
            .field("tables", &format!("{}*", database.schema().prefix()))
            .field("up", &database.up())
            .finish_non_exhaustive()
    }
}
