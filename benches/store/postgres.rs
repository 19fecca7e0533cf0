//! PostgreSQL.

use std::time::SystemTime;

use tokio_postgres::{Client, NoTls, Statement};
use tower_api_key::key::KeyDigest;
use tower_api_key::store::PostgresStore;

use crate::postgres_server::PostgresServer;
use crate::timing::LookUp;
use crate::{keys, report};

pub(crate) async fn run(keys: usize, look_ups: usize) {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    keys::fill("postgres", &store, keys).await;
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("VACUUM ANALYZE").await.unwrap();
    let statement = client.prepare(QUERY).await.unwrap();
    let raw = Raw { client, statement };
    report::print("postgres", &raw, &store, keys, look_ups).await;
}

/// One pipelined connection.
struct Raw {
    client: Client,
    statement: Statement,
}

const QUERY: &str = "SELECT k.id, k.owner, k.name, k.scopes, k.created_at, k.expires_at, \
    k.disabled, k.revoked_at, k.revoked_reason, s.number, s.digest, s.prefix, s.created_at, \
    s.retires_at, s.last_used_at FROM tower_api_key_secrets s \
    JOIN tower_api_key_keys k ON k.id = s.key_id WHERE s.digest = $1";

impl LookUp for Raw {
    async fn look_up(&self, digest: KeyDigest) {
        let octets: &[u8] = digest.as_bytes();
        let row = self
            .client
            .query_one(&self.statement, &[&octets])
            .await
            .unwrap();
        let columns = (
            row.get::<_, Vec<u8>>(0),
            row.get::<_, String>(1),
            row.get::<_, String>(2),
            row.get::<_, String>(3),
            row.get::<_, SystemTime>(4),
            row.get::<_, Option<SystemTime>>(5),
            row.get::<_, bool>(6),
            row.get::<_, Option<SystemTime>>(7),
            row.get::<_, Option<String>>(8),
            row.get::<_, i64>(9),
            row.get::<_, Vec<u8>>(10),
            row.get::<_, String>(11),
            row.get::<_, SystemTime>(12),
            row.get::<_, Option<SystemTime>>(13),
            row.get::<_, Option<SystemTime>>(14),
        );
        std::hint::black_box(columns);
    }
}
