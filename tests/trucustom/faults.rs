//! A database that is locked, or falls silent, while the product is used.

use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::client::Client;
use crate::examples::Example;
use crate::file::DatabaseFile;
use crate::server::PostgresServer;

const PRODUCTS: &str = "/api/v1/products";

struct Product {
    client: Client,
    key: String,
    cookie: String,
    _server: Example,
}

impl Product {
    async fn start(store: &str) -> Self {
        let server = Example::start("trucustom", &[("STORE", store)]);
        let client = Client::new(&server.base);
        let key = server.key.clone().unwrap();
        let cookie = client.sign_in(&key).await.unwrap();
        Self {
            client,
            key,
            cookie,
            _server: server,
        }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let sent = self.client.send(method, path, &self.key, &body).await;
        let (status, body) = sent.unwrap();
        (status.as_u16(), body)
    }

    async fn create(&self) -> (u16, Value) {
        let new = json!({"name": "Table", "price_cents": 1});
        self.send("POST", PRODUCTS, new).await
    }
}

#[tokio::test]
async fn a_locked_file_keeps_nobody_from_reading_and_nothing_is_made_late() {
    let file = DatabaseFile::new("trucustom_locked");
    let product = Product::start(file.path()).await;
    assert_eq!(product.create().await.0, 201);

    let holder = Connection::open(file.path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writers = futures::future::join_all([(); 4].map(|()| product.create()));
    let reader = async {
        let read = product.send("GET", PRODUCTS, Value::Null);
        // Long before the writers give up.
        let read = tokio::time::timeout(Duration::from_secs(3), read).await;
        assert_eq!(read.unwrap().0, 200);
        assert!(product.client.is_signed_in(&product.cookie).await);
    };
    let (written, ()) = tokio::join!(writers, reader);
    for (status, body) in written {
        assert_eq!(status, 503);
        let told = "A change may have been made all the same: look before you repeat it.";
        assert!(body["message"].as_str().unwrap().ends_with(told));
    }
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(product.create().await.0, 201);
    let (_, page) = product.send("GET", PRODUCTS, Value::Null).await;
    assert_eq!(page["products"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_locked_row_keeps_nobody_from_the_others_and_is_not_changed_late() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let product = Product::start(&server.url()).await;
    assert_eq!(product.create().await.1["id"], 1);

    let (holder, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = "BEGIN; UPDATE trucustom_products SET price_cents = 5 WHERE id = 1";
    holder.batch_execute(lock).await.unwrap();
    let path = format!("{PRODUCTS}/1");
    // Many more than there are connections.
    let change = || product.send("PATCH", &path, json!({"price_cents": 77}));
    let changes = futures::future::join_all([(); 40].map(|()| change()));
    let others = async {
        for _ in 0..10 {
            assert_eq!(product.send("GET", PRODUCTS, Value::Null).await.0, 200);
            assert!(product.client.is_signed_in(&product.cookie).await);
            product.client.sign_in(&product.key).await.unwrap();
        }
    };
    let (answers, ()) = tokio::join!(changes, others);
    assert!(answers.iter().all(|(status, _)| *status == 503));
    holder.batch_execute("ROLLBACK").await.unwrap();
    let (_, found) = product.send("GET", &path, Value::Null).await;
    assert_eq!(found["price_cents"], 1);
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_replaced() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let product = Product::start(&server.url()).await;
    assert_eq!(product.create().await.0, 201);
    let silent = server.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'trucustom' \
         AND backend_type = 'client backend'",
    );
    let signal = |name: &str| {
        for pid in silent.lines() {
            let mut kill = Command::new("sh");
            kill.args(["-c", "kill -\"$0\" \"$1\"", name, pid]);
            assert!(kill.status().unwrap().success());
        }
    };
    assert!(!silent.is_empty());
    signal("STOP");
    assert_eq!(product.send("GET", PRODUCTS, Value::Null).await.0, 200);
    assert!(product.client.is_signed_in(&product.cookie).await);
    signal("CONT");
}
