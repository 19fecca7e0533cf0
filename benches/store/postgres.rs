//! PostgreSQL.

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

const QUERY: &str = "SELECT k.id, k.document::text FROM tower_api_key_secrets s \
    JOIN tower_api_key_keys k ON k.id = s.key_id WHERE s.digest = $1";

impl LookUp for Raw {
    async fn look_up(&self, digest: KeyDigest) {
        let bytes: &[u8] = digest.as_bytes();
        let row = self
            .client
            .query_one(&self.statement, &[&bytes])
            .await
            .unwrap();
        std::hint::black_box((row.get::<_, Vec<u8>>(0), row.get::<_, String>(1)));
    }
}
