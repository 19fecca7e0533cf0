//! How it stops.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::examples::{Example, command};
use crate::file::DatabaseFile;

/// How long it may take to hear a signal before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that never end.
const HALF: [&str; 2] = [
    "GET /dashboard HTTP/1.1\r\nHost: x\r\n",
    "POST /dashboard/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\
     Content-Type: application/x-www-form-urlencoded\r\n\r\nke",
];

#[tokio::test]
async fn whatever_clients_do_it_ends_in_time_and_writes_the_uses() {
    // Well before it gives up on a client that never ends its request.
    stops("trucustom_term", Duration::from_secs(20), 1).await;
}

#[tokio::test]
async fn asked_twice_it_ends_at_once_and_writes_the_uses() {
    // Before the time that requests have.
    stops("trucustom_twice", Duration::from_secs(5), 2).await;
}

#[tokio::test]
async fn a_locked_file_keeps_it_from_ending_well_but_not_from_ending() {
    let file = DatabaseFile::new("trucustom_stuck");
    let example = Example::start("trucustom", &[("STORE", file.path())]);
    let (client, key) = (Client::new(&example.base), example.key.clone().unwrap());
    let answer = client.send("GET", "/api/v1/products", &key, &Value::Null);
    assert_eq!(answer.await.unwrap().0, 200);
    let holder = rusqlite::Connection::open(file.path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let stopped = tokio::task::spawn_blocking(move || {
        example.signal("TERM");
        example.ends()
    });
    assert_eq!(stopped.await.unwrap(), Some(1));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(9), "it took {took:?}");
}

async fn stops(name: &str, longest: Duration, signals: u32) {
    const USES: usize = 37;
    let file = DatabaseFile::new(name);
    let mut server = command("trucustom");
    server.env("STORE", file.path());
    if cfg!(target_os = "linux") {
        // Nobody can be told anything.
        server.stderr(fs::File::create("/dev/full").unwrap());
    }
    let example = Example::run(server);
    // The client keeps its connection open.
    let (client, key) = (Client::new(&example.base), example.key.clone().unwrap());
    for _ in 0..USES {
        let answer = client.send("GET", "/api/v1/products", &key, &Value::Null);
        assert_eq!(answer.await.unwrap().0, 200);
    }
    let address = example.base.strip_prefix("http://").unwrap().to_owned();
    let streams = HALF.map(|sent| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        stream
    });
    let began = Instant::now();
    let stopped = tokio::task::spawn_blocking(move || {
        for _ in 0..signals {
            example.signal("TERM");
            // It has heard that once it takes no more connections.
            while TcpStream::connect(&address).is_ok() {
                assert!(began.elapsed() < PATIENCE, "it takes connections still");
            }
        }
        example.ends_well();
    });
    stopped.await.unwrap();
    let took = began.elapsed();
    assert!(took < longest, "it took {took:?}");
    drop(streams);

    let again = Example::start("trucustom", &[("STORE", file.path())]);
    let client = Client::new(&again.base);
    let get = async |path: &str| {
        let answer = client.send("GET", path, &key, &Value::Null).await;
        answer.unwrap().1
    };
    let keys = get("/api/v1/keys").await;
    let id = keys["keys"][0]["id"].as_str().unwrap().to_owned();
    let usage = get(&format!("/api/v1/keys/{id}/usage")).await;
    let hours = usage["hours"].as_array().unwrap().iter();
    let allowed: u64 = hours.map(|hour| hour["allowed"].as_u64().unwrap()).sum();
    assert_eq!(json!(allowed), json!(USES));
}
