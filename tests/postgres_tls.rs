//! Keys in PostgreSQL behind TLS: certificate and host name are always verified.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", unix))]

#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::fs;
use std::process::{Command, Stdio};

use keys::digest;
use server::{PASSWORD, PostgresServer, give_away};
use tower_api_key::KeyStore;
use tower_api_key::store::{PostgresOptions, PostgresStore, StoreErrorKind};

#[tokio::test]
async fn tls_is_verified() {
    let Some((server, authority)) = tls_server() else {
        return;
    };
    let refused = "no TLS with a certificate that is trusted for this host";
    let port = server.port();
    let url = |host: &str, mode: &str| {
        format!("postgres://postgres:{PASSWORD}@{host}:{port}/postgres?sslmode={mode}")
    };
    let trusting = PostgresOptions::new().with_root_certificates(&authority);
    for (host, mode, options) in [
        // Nobody vouches for the certificate.
        ("localhost", "require", PostgresOptions::new()),
        ("localhost", "prefer", PostgresOptions::new()),
        // It is for another name.
        ("127.0.0.1", "verify-full", trusting.clone()),
    ] {
        let store = PostgresStore::connect_with(&url(host, mode), options).await;
        let address = format!("PostgreSQL at {host}:{port}/postgres");
        let message = format!("expected a connection to {address}, found {refused}");
        let error = store.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (StoreErrorKind::Misconfigured, message)
        );
        keys::assert_tells_no_secret(&error);
    }
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let store = PostgresStore::connect_with(&url("localhost", mode), trusting.clone()).await;
        let store = store.unwrap();
        store.migrate().await.unwrap();
        assert_eq!(store.find(&digest(1)).await.unwrap(), None);
        let count = "SELECT count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                     WHERE s.ssl AND a.application_name = 'tower-api-key'";
        assert_eq!(server.sql(count), "t");
    }
}

/// A server with a certificate for `localhost` of its own making.
fn tls_server() -> Option<(PostgresServer, Vec<u8>)> {
    let folder = std::env::temp_dir().join(format!("tower-api-key-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (key, certificate) = (folder.join("server.key"), folder.join("server.crt"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "3650",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
        eprintln!("skipped: openssl is not installed");
        return None;
    }
    let authority = fs::read(&certificate).unwrap();
    give_away(&folder, 0o700);
    give_away(&key, 0o600);
    give_away(&certificate, 0o600);
    let settings = [
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_key_file={}", key.display()),
        format!("ssl_cert_file={}", certificate.display()),
    ];
    let server = PostgresServer::start_with(&settings.each_ref().map(String::as_str));
    let _ = fs::remove_dir_all(&folder);
    Some((server?, authority))
}
