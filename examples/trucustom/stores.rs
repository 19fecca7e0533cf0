//! The stores of keys, products and sessions.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use tower_api_key::store::{CacheOptions, CachedStore, PostgresStore, RedisStore, SqliteStore};
use tower_api_key::{KeyManager, KeyRegistry, MemoryStore};

use crate::dashboard::{Keys, SessionDatabase};
use crate::products::Products;
use crate::settings::Place;

/// Everything that is kept.
pub(crate) struct Stores {
    pub(crate) keys: Keys,
    pub(crate) products: Products,
    pub(crate) sessions: SessionDatabase,
}

impl Stores {
    pub(crate) async fn open(place: &Place) -> Result<Self, Box<dyn Error>> {
        let keys = keys(place).await?;
        let (products, sessions) = match place {
            Place::Sqlite(path) => (Products::sqlite(path)?, SessionDatabase::sqlite(path)?),
            Place::Postgres(url) => (Products::postgres(url).await?, SessionDatabase::memory()?),
            Place::Redis(_) | Place::Memory => (Products::memory()?, SessionDatabase::memory()?),
        };
        Ok(Self {
            keys,
            products,
            sessions,
        })
    }
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
