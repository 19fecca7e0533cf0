//! Killed while products, keys and sessions are being made: what was answered is there, and whole.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::client::Client;
use crate::examples::Example;
use crate::file::DatabaseFile;
use crate::heavy;
use crate::redis_server::RedisServer;
use crate::server::PostgresServer;

/// It is killed when so much was answered in a round.
const ANSWERS: usize = 150;
const PRODUCTS: &str = "/api/v1/products";

/// What the clients were answered, in all rounds.
#[derive(Default)]
struct Answered {
    /// The price of each product.
    products: HashMap<i64, i64>,
    deleted: Vec<i64>,
    keys: Vec<String>,
    revoked: Vec<String>,
    cookies: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let file = DatabaseFile::new("trucustom_crash");
    survives(file.path(), true).await;
    let connection = Connection::open(file.path()).unwrap();
    let check = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    assert_eq!(check, Ok("ok".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    if let Some(server) = PostgresServer::start() {
        survives(&server.url(), true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis() {
    if let Some(server) = RedisServer::start() {
        survives(&server.url(), false).await;
    }
}

async fn survives(store: &str, keeps_products: bool) {
    let answered = Arc::new(Mutex::new(Answered::default()));
    let mut manager = None;
    let rounds = heavy::size(1, 5);
    for _ in 0..rounds {
        let example = Example::start("trucustom", &[("STORE", store)]);
        let manager = &*manager.get_or_insert_with(|| example.key.clone().unwrap());
        if !keeps_products {
            answered.lock().unwrap().products.clear();
            answered.lock().unwrap().deleted.clear();
        }
        check(&example.base, manager, &answered).await;
        use_until_killed(example, manager, &answered).await;
    }
    let example = Example::start("trucustom", &[("STORE", store)]);
    if !keeps_products {
        answered.lock().unwrap().products.clear();
    }
    check(&example.base, &manager.unwrap(), &answered).await;
    let answered = answered.lock().unwrap();
    assert!(answered.keys.len() > rounds && answered.cookies.len() > rounds);
    assert!(!answered.revoked.is_empty());
}

/// Four clients at a time make, change and end things, until enough was answered.
async fn use_until_killed(example: Example, manager: &str, answered: &Arc<Mutex<Answered>>) {
    let count = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (client, manager) = (Client::new(&example.base), manager.to_owned());
            let (answered, count) = (answered.clone(), count.clone());
            tokio::spawn(async move {
                let mut turn = worker;
                while step(&client, &manager, turn, &answered).await.is_some() {
                    count.fetch_add(1, Ordering::Relaxed);
                    turn += 1;
                }
            })
        })
        .collect();
    while count.load(Ordering::Relaxed) < ANSWERS {
        let goes_on = workers.iter().any(|worker| !worker.is_finished());
        assert!(goes_on, "the server ended before it was killed");
        tokio::task::yield_now().await;
    }
    // Dropped, it is killed.
    drop(example);
    for worker in workers {
        worker.await.unwrap();
    }
}

/// One thing done, or nothing when the server is gone.
async fn step(
    client: &Client,
    manager: &str,
    turn: usize,
    answered: &Mutex<Answered>,
) -> Option<()> {
    match turn % 8 {
        0 => {
            let new = json!({"name": format!("Key {turn}"), "scopes": ["read"]});
            let sent = client.send("POST", "/api/v1/keys", manager, &new).await;
            let body = of(201, sent)?;
            let key = body["key"].as_str().unwrap().to_owned();
            if turn.is_multiple_of(16) {
                let path = format!("/api/v1/keys/{}/revoke", body["id"].as_str().unwrap());
                let sent = client.send("POST", &path, manager, &json!({})).await;
                of(200, sent)?;
                answered.lock().unwrap().revoked.push(key);
            } else {
                answered.lock().unwrap().keys.push(key);
            }
        }
        4 => {
            let cookie = client.sign_in(manager).await.ok()?;
            answered.lock().unwrap().cookies.push(cookie);
        }
        _ => {
            let new = json!({"name": "Table", "price_cents": turn});
            let sent = client.send("POST", PRODUCTS, manager, &new).await;
            let body = of(201, sent)?;
            let (id, price) = (body["id"].as_i64().unwrap(), body["price_cents"].as_i64());
            answered.lock().unwrap().products.insert(id, price.unwrap());
            let path = format!("{PRODUCTS}/{id}");
            if turn % 8 == 1 {
                answered.lock().unwrap().products.remove(&id);
                let sent = client.send("DELETE", &path, manager, &Value::Null).await;
                of(204, sent)?;
                answered.lock().unwrap().deleted.push(id);
            } else if turn % 8 == 2 {
                answered.lock().unwrap().products.remove(&id);
                let change = json!({"price_cents": 7});
                let sent = client.send("PATCH", &path, manager, &change).await;
                of(200, sent)?;
                answered.lock().unwrap().products.insert(id, 7);
            }
        }
    }
    Some(())
}

type Sent = Result<(http::StatusCode, Value), hyper_util::client::legacy::Error>;

/// The body of an answer; nothing where none came.
#[track_caller]
fn of(status: u16, sent: Sent) -> Option<Value> {
    let (found, body) = sent.ok()?;
    assert_eq!(found, status, "{body}");
    (status == 204 || body != Value::Null).then_some(body)
}

/// What was answered is there.
async fn check(base: &str, manager: &str, answered: &Mutex<Answered>) {
    let client = Client::new(base);
    let stock = products(&client, manager).await;
    let (keys, revoked, cookies) = {
        let answered = answered.lock().unwrap();
        for (id, price) in &answered.products {
            assert_eq!(stock.get(id), Some(price), "product {id}");
        }
        for id in &answered.deleted {
            assert_eq!(stock.get(id), None, "product {id}");
        }
        (
            answered.keys.clone(),
            answered.revoked.clone(),
            answered.cookies.clone(),
        )
    };
    for (keys, expected) in [(keys, 200), (revoked, 401)] {
        for key in keys {
            let sent = client.send("GET", PRODUCTS, &key, &Value::Null).await;
            assert_eq!(sent.unwrap().0, expected);
        }
    }
    // A key may have 20 sessions at a time.
    for cookie in cookies.iter().rev().take(10) {
        assert!(client.is_signed_in(cookie).await);
    }
}

/// The price of every product; each is there once, and whole.
async fn products(client: &Client, manager: &str) -> HashMap<i64, i64> {
    let mut found = HashMap::new();
    let mut next = json!(0);
    while let Some(after) = next.as_i64() {
        let path = format!("{PRODUCTS}?after={after}");
        let sent = client.send("GET", &path, manager, &Value::Null).await;
        let (status, page) = sent.unwrap();
        assert_eq!(status, 200);
        for product in page["products"].as_array().unwrap() {
            assert_eq!(product["name"], "Table");
            let id = product["id"].as_i64().unwrap();
            let before = found.insert(id, product["price_cents"].as_i64().unwrap());
            assert_eq!(before, None, "product {id} is there twice");
        }
        next = page["next"].clone();
    }
    found
}
