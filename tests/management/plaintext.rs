//! The plaintext of a key is in one answer, and nowhere else: no other answer, no log, no `Debug`,
//! and not in what the store keeps.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower_api_key::MemoryStore;
use tower_api_key::store::Store;
use tracing_subscriber::fmt::MakeWriter;

use crate::kit::{Server, id_of, request, server_of};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Leads a key through its life, and checks all that is written down of it but in the store's own
/// keeping; returns the plaintexts.
async fn check<S: Store + Clone + 'static + std::fmt::Debug>(
    server: &Server<S>,
    log: &Log,
) -> Vec<String> {
    let maker = server.manager_of("acct_42", &[]).await;
    let own = maker.key.expose_secret().to_owned();
    let (mut written, mut plaintexts) = (String::new(), Vec::new());
    let mut ask = async |method: &str, target: &str, body: Option<Value>| {
        let mut sent = request(&own, method, target, body);
        let key = "order-7".parse().unwrap();
        sent.headers_mut().insert("idempotency-key", key);
        let answer = server.send(sent).await;
        let headers = format!("{:?}\n", answer.headers);
        written.push_str(&headers);
        written.push_str(&String::from_utf8_lossy(&answer.body));
        answer.json()
    };
    let made = ask("POST", "/keys", Some(json!({"name": "a"}))).await;
    let one = format!("/keys/{}", id_of(&made));
    let rotated = ask(
        "POST",
        &format!("{one}/rotate"),
        Some(json!({"grace_seconds": 60})),
    )
    .await;
    for secret in [&made, &rotated] {
        plaintexts.push(secret["key"].as_str().unwrap().to_owned());
    }
    ask("POST", "/keys", Some(json!({"name": "a"}))).await; // the idempotency key again
    ask("GET", &one, None).await;
    ask(
        "PATCH",
        &one,
        Some(json!({"name": "b", "key": plaintexts[0]})),
    )
    .await;
    ask("PATCH", &one, Some(json!({plaintexts[0].clone(): 1}))).await;
    ask("POST", &format!("/keys/{}/rotate", plaintexts[0]), None).await;
    ask("GET", &format!("/keys?cursor={}", plaintexts[1]), None).await;
    for target in ["/keys", "/audit", "/openapi.json"] {
        ask("GET", target, None).await;
    }
    for action in ["usage", "advice"] {
        ask("GET", &format!("{one}/{action}"), None).await;
    }
    ask(
        "POST",
        &format!("{one}/revoke"),
        Some(json!({"reason": "over"})),
    )
    .await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let held = format!(
        "{:?} {:?} {}",
        server.keys,
        server.keys.store(),
        server.stored("acct_42").await
    );
    for plaintext in &plaintexts {
        // Without the prefix too: the digits are the secret.
        let digits = &plaintext[3..];
        assert_eq!(written.matches(digits).count(), 1);
        assert_eq!(
            (log.matches(digits).count(), held.matches(digits).count()),
            (0, 0)
        );
        let digest = hex::encode(Sha256::digest(plaintext));
        assert!(
            !written.contains(&digest) && !log.contains(&digest),
            "a digest is told"
        );
    }
    assert!(
        !written.contains(&own[3..]) && !log.contains(&own[3..]),
        "the caller's key is told"
    );
    plaintexts.push(own);
    plaintexts
}

fn with_log<T>(run: impl FnOnce(&Log) -> T) -> T {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::trace!("the log works");
        run(&log)
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_plaintext_is_told_once_and_kept_nowhere() {
    with_log(|log| {
        let server = server_of(MemoryStore::new(), |keys| keys);
        runtime().block_on(check(&server, log));
        assert!(!log.0.lock().unwrap().is_empty());
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn no_plaintext_is_in_the_files_of_a_database() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("management-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let plaintexts = with_log(|log| {
        runtime().block_on(async {
            let url = format!("sqlite://{}", folder.join("keys.db").display());
            let store = tower_api_key::store::SqliteStore::connect(&url)
                .await
                .unwrap();
            store.migrate().await.unwrap();
            check(&server_of(store, |keys| keys), log).await
        })
    });
    let mut octets = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        octets.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let contains = |text: &[u8]| octets.windows(text.len()).any(|window| window == text);
    assert!(contains(b"acct_42"), "the files are those of the store");
    for plaintext in plaintexts {
        let digits = &plaintext[3..];
        assert!(!contains(digits.as_bytes()) && !contains(&hex::decode(digits).unwrap()));
    }
}
