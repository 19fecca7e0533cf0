//! TLS, with a certificate of the test's own.

use std::path::Path;
use std::process::Command;
use std::{env, fs, process};

use tower_api_key::KeyRegistry;
use tower_api_key::store::{RedisStore, StoreErrorKind};

use crate::kit::{RedisServer, assert_tells_no_secret, id, options};

/// Where the process that trusts the certificate finds the server's port.
const TRUSTING: &str = "TOWER_API_KEY_TEST_TLS_PORT";

/// The certificates that are trusted are a setting of the process, so a second one is needed.
#[tokio::test]
async fn a_certificate_is_needed_that_is_trusted_and_of_that_name() {
    if let Ok(port) = env::var(TRUSTING) {
        return trusting(&port).await;
    }
    let directory = env::temp_dir().join(format!("redis-tls-{}", process::id()));
    fs::create_dir_all(&directory).unwrap();
    if make_certificate(&directory) {
        check(&directory).await;
    } else {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "expected openssl on PATH, found none"
        );
        eprintln!("skipped: openssl is not on PATH");
    }
    fs::remove_dir_all(directory).unwrap();
}

async fn check(directory: &Path) {
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (file("certificate"), file("key"));
    let port = crate::redis_server::free_port().to_string();
    let Some(_server) = RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]) else {
        return;
    };
    assert_untrusted(&format!("rediss://u:hunter2@localhost:{port}")).await;
    let trusting = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "tls::a_certificate_is_needed_that_is_trusted_and_of_that_name",
        ])
        .env("SSL_CERT_FILE", &certificate)
        .env(TRUSTING, &port)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&trusting.stdout);
    assert!(trusting.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
}

async fn trusting(port: &str) {
    let url = format!("rediss://localhost:{port}");
    let store = RedisStore::connect_with(&url, options()).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
    let heard = crate::kit::Heard::of(&store);
    heard.proof().await;
    // The certificate is of another name.
    assert_untrusted(&format!("rediss://u:hunter2@127.0.0.1:{port}")).await;
}

async fn assert_untrusted(url: &str) {
    let error = RedisStore::connect_with(url, options()).await.unwrap_err();
    assert_tells_no_secret(&error);
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("invalid peer certificate"), "{source}");
}

/// Makes a key and a certificate of `localhost`; `false` where there is no openssl.
fn make_certificate(directory: &Path) -> bool {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key", "-out", "certificate"])
        .current_dir(directory)
        .output();
    made.is_ok_and(|made| made.status.success())
}
