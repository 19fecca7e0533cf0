//! Redis.

use redis::Script;
use redis::aio::MultiplexedConnection;
use tower_api_key::key::KeyDigest;
use tower_api_key::store::RedisStore;

use crate::redis_server::RedisServer;
use crate::timing::LookUp;
use crate::{keys, report};

pub(crate) async fn run(keys: usize, look_ups: usize) {
    let Some(server) = RedisServer::start_with(&["--save", ""]) else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    keys::fill("redis", &store, keys).await;
    let client = redis::Client::open(server.url()).unwrap();
    let raw = Raw {
        connection: client.get_multiplexed_async_connection().await.unwrap(),
        script: Script::new(SCRIPT),
    };
    report::print("redis", &raw, &store, keys, look_ups).await;
}

/// One multiplexed connection, and the shortest script that reads the document in one round trip.
struct Raw {
    connection: MultiplexedConnection,
    script: Script,
}

const SCRIPT: &str = "return redis.call('HGET', ARGV[1] .. redis.call('GET', KEYS[1]), 'record')";

impl LookUp for Raw {
    async fn look_up(&self, digest: KeyDigest) {
        let key = format!(
            "{{tower_api_key}}:digest:{}",
            hex::encode(digest.as_bytes())
        );
        let document: Vec<u8> = self
            .script
            .key(key)
            .arg("{tower_api_key}:key:")
            .invoke_async(&mut self.connection.clone())
            .await
            .unwrap();
        assert!(!document.is_empty());
    }
}
