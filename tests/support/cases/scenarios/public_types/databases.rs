//! Stores in databases that hold the key, and whose URLs hold a password.
//!
//! Where a server is not installed, which is a failure under `CI`, its store is passed over.

use tower_api_key::KeyRegistry;
use tower_api_key::record::ChangeContext;
use tower_api_key::store::{Insert, StoreError};

use super::marker::Marker;
use super::print::{Printed, both, debug};

/// Inserts the key twice: the error of a store that knows it.
async fn keep(store: &impl KeyRegistry, marker: &Marker) -> StoreError {
    let record = (*marker.fresh.record).clone();
    let context = ChangeContext::new(record.created_at());
    store
        .insert(Insert::new(record.clone(), &context))
        .await
        .unwrap();
    store
        .insert(Insert::new(record, &context))
        .await
        .unwrap_err()
}

#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite(marker: &Marker) -> Printed {
    use tower_api_key::store::{SqliteOptions, SqliteStore};

    let name = format!("tower-api-key-printed-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let store = SqliteStore::connect(directory.join("keys.db").to_str().unwrap())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let twice = keep(&store, marker).await;
    let printed = vec![
        debug("SqliteOptions", &SqliteOptions::new()),
        debug("SqliteStore", &store),
        both("StoreError", &twice),
    ];
    drop(store);
    let _ = std::fs::remove_dir_all(directory);
    printed
}

#[cfg(feature = "postgres")]
pub(crate) async fn postgres(marker: &Marker) -> Printed {
    use tower_api_key::store::{PostgresOptions, PostgresStore};

    use super::marker::PASSWORD;
    use crate::postgres_server::PostgresServer;

    let mut printed = vec![debug("PostgresOptions", &PostgresOptions::new())];
    for url in [
        format!("postgres://keys:{PASSWORD}@127.0.0.1:1/keys"),
        format!("postgres://keys:{PASSWORD}@127.0.0.1:port/keys"),
    ] {
        let error = PostgresStore::connect(&url).await.unwrap_err();
        printed.push(both("StoreError", &error));
    }
    let Some(server) = PostgresServer::start() else {
        printed.push(("PostgresStore", String::new()));
        return printed;
    };
    server.sql(&format!(
        "CREATE ROLE keys LOGIN SUPERUSER PASSWORD '{PASSWORD}'"
    ));
    let url = server.url_of("keys", PASSWORD, "postgres");
    let store = PostgresStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    printed.push(both("StoreError", &keep(&store, marker).await));
    printed.push(debug("PostgresStore", &store));
    printed
}

#[cfg(feature = "redis")]
pub(crate) async fn redis(marker: &Marker) -> Printed {
    use tower_api_key::store::{RedisOptions, RedisStore};

    use super::marker::PASSWORD;
    use crate::redis_server::RedisServer;

    let mut printed = vec![debug("RedisOptions", &RedisOptions::new())];
    for url in [
        format!("redis://keys:{PASSWORD}@127.0.0.1:1/0"),
        format!("redis://keys:{PASSWORD}@127.0.0.1:port/0"),
    ] {
        let error = RedisStore::connect(&url).await.unwrap_err();
        printed.push(both("StoreError", &error));
    }
    let Some(server) = RedisServer::start_with(&["--requirepass", PASSWORD]) else {
        printed.push(("RedisStore", String::new()));
        return printed;
    };
    let url = format!("redis://:{PASSWORD}@{}/0", server.address());
    let store = RedisStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    printed.push(both("StoreError", &keep(&store, marker).await));
    printed.push(debug("RedisStore", &store));
    printed
}
