//! How it stops.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::client::Client;
use crate::examples::Example;
use crate::file::DatabaseFile;

#[tokio::test]
async fn asked_to_terminate_it_writes_the_uses_whatever_clients_do() {
    const USES: usize = 37;
    let file = DatabaseFile::new("trucustom_term");
    let example = Example::start("trucustom", &[("STORE", file.path())]);
    // The client keeps its connection open.
    let (client, key) = (Client::new(&example.base), example.key.clone().unwrap());
    for _ in 0..USES {
        let answer = client.send("GET", "/api/v1/products", &key, &Value::Null);
        assert_eq!(answer.await.unwrap().0, 200);
    }
    let half = [
        "GET /dashboard HTTP/1.1\r\nHost: x\r\n",
        "POST /dashboard/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nke",
    ];
    let address = example.base.strip_prefix("http://").unwrap().to_owned();
    let streams = half.map(|sent| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        stream
    });
    let stopped = tokio::task::spawn_blocking(move || {
        example.signal("TERM");
        // It has heard that once it takes no more connections; then it is asked once more.
        while TcpStream::connect(&address).is_ok() {}
        example.signal("TERM");
        example.ends_well();
    });
    stopped.await.unwrap();
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
