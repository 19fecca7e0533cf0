//! The stores of keys, products and sessions.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use tower_api_key::manage::IssuePolicy;
use tower_api_key::store::{
    CacheOptions, CachedStore, PostgresStore, RedisStore, SqliteOptions, SqliteStore, Store,
};
use tower_api_key::{KeyManager, MemoryStore};

use crate::dashboard::Keys;
use crate::database::{Outcome, Postgres, Sqlite, in_time};
use crate::products::Products;
use crate::sessions::Sessions;
use crate::settings::Place;

/// The most keys of an account that are not revoked. A service needs a few, and a program that creates
/// keys in a loop is stopped early.
const MAX_KEYS_OF_ACCOUNT: u64 = 100;

/// Everything that is kept.
pub(crate) struct Stores {
    pub(crate) keys: Keys,
    pub(crate) products: Products,
    pub(crate) sessions: Sessions,
}

impl Stores {
    /// Opens the stores of a server, and creates what is missing.
    pub(crate) async fn open(place: &Place) -> Result<Self, Box<dyn Error>> {
        let (keys, file) = keys(place, true).await?;
        let (products, sessions) = in_time(beside(place, file))
            .await
            .map_err(|error| -> Box<dyn Error> { error })?;
        Ok(Self {
            keys,
            products,
            sessions,
        })
    }
}

/// What is kept beside the keys: products in memory where those are not in SQL.
async fn beside(place: &Place, file: Option<PathBuf>) -> Outcome<(Products, Sessions)> {
    if let Place::Postgres(url) = place {
        let products = Products::postgres(url).await?;
        return Ok((products, Sessions::postgres(Postgres::new(url)?).await?));
    }
    let database = match file {
        Some(path) => Sqlite::open(&path)?,
        None => Sqlite::memory()?,
    };
    let products = Products::sqlite(database.clone()).await?;
    let sessions = match place {
        Place::Redis(url) => Sessions::redis(url).await?,
        _ => Sessions::sqlite(database).await?,
    };
    Ok((products, sessions))
}

/// The manager of the keys, for a command: it creates neither a database nor tables.
pub(crate) async fn existing_keys(place: &Place) -> Result<Keys, Box<dyn Error>> {
    Ok(keys(place, false).await?.0)
}

/// The manager of the keys, and their file if they are in one.
async fn keys(place: &Place, create: bool) -> Result<(Keys, Option<PathBuf>), Box<dyn Error>> {
    let mut file = None;
    let store: Arc<dyn Store> = match place {
        Place::Memory => Arc::new(MemoryStore::new()),
        Place::Sqlite(url) => {
            let options = SqliteOptions::new();
            let store = if create {
                let store = SqliteStore::connect_with(url, options).await?;
                store.migrate().await?;
                store
            } else {
                SqliteStore::connect_with(url, options.with_existing_file()).await?
            };
            file = Some(store.path().to_owned());
            // A lookup takes microseconds: no cache is needed.
            Arc::new(store)
        }
        Place::Postgres(url) => {
            let store = PostgresStore::connect(url).await?;
            if create {
                store.migrate().await?;
            }
            Arc::new(CachedStore::watching(store, CacheOptions::new())?)
        }
        Place::Redis(url) => {
            let store = RedisStore::connect(url).await?;
            if create {
                store.migrate().await?;
            }
            Arc::new(CachedStore::watching(store, CacheOptions::new())?)
        }
    };
    let policy = IssuePolicy::new().with_max_keys_of_owner(MAX_KEYS_OF_ACCOUNT);
    Ok((KeyManager::new(store).with_issue_policy(policy), file))
}
