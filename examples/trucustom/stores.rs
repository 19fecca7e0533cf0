//! The stores of keys, products and sessions.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use tower_api_key::store::{CacheOptions, CachedStore, PostgresStore, RedisStore, SqliteStore};
use tower_api_key::{KeyManager, KeyRegistry, MemoryStore};

use crate::dashboard::Keys;
use crate::database::{Outcome, Postgres, Sqlite, in_time};
use crate::products::Products;
use crate::sessions::Sessions;
use crate::settings::Place;

/// Everything that is kept.
pub(crate) struct Stores {
    pub(crate) keys: Keys,
    pub(crate) products: Products,
    pub(crate) sessions: Sessions,
}

impl Stores {
    pub(crate) async fn open(place: &Place) -> Result<Self, Box<dyn Error>> {
        let keys = keys(place).await?;
        let (products, sessions) = in_time(beside(place))
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
async fn beside(place: &Place) -> Outcome<(Products, Sessions)> {
    let database = match place {
        Place::Postgres(url) => {
            let products = Products::postgres(url).await?;
            return Ok((products, Sessions::postgres(Postgres::new(url)?).await?));
        }
        Place::Sqlite(path) => Sqlite::open(path)?,
        Place::Redis(_) | Place::Memory => Sqlite::memory()?,
    };
    let products = Products::sqlite(database.clone()).await?;
    let sessions = match place {
        Place::Redis(url) => Sessions::redis(url).await?,
        _ => Sessions::sqlite(database).await?,
    };
    Ok((products, sessions))
}

/// The manager of the keys alone.
pub(crate) async fn keys(place: &Place) -> Result<Keys, Box<dyn Error>> {
    let store: Arc<dyn KeyRegistry> = match place {
        Place::Memory => Arc::new(MemoryStore::new()),
        Place::Sqlite(path) => {
            let store = SqliteStore::connect(text(path)?).await?;
            store.migrate().await?;
            // A look-up takes microseconds: no cache is needed.
            Arc::new(store)
        }
        Place::Postgres(url) => {
            let store = PostgresStore::connect(url).await?;
            store.migrate().await?;
            Arc::new(CachedStore::watching(store, CacheOptions::new())?)
        }
        Place::Redis(url) => {
            let store = RedisStore::connect(url).await?;
            store.migrate().await?;
            Arc::new(CachedStore::watching(store, CacheOptions::new())?)
        }
    };
    Ok(KeyManager::new(store))
}

fn text(path: &Path) -> Result<&str, &'static str> {
    path.to_str().ok_or("expected a path in UTF-8")
}
