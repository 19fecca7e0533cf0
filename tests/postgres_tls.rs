//! Keys in PostgreSQL behind TLS: certificate and host name are always verified.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", unix))]

#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_tls_server.rs"]
mod postgres_tls_server;
#[path = "support/postgres_server.rs"]
mod server;

use keys::digest;
use postgres_tls_server::tls_server;
use server::PASSWORD;
use tower_api_key::KeyStore;
use tower_api_key::store::{PostgresOptions, PostgresStore, StoreErrorKind};

#[tokio::test]
async fn tls_is_verified() {
    let Some((server, authority)) = tls_server() else {
        return;
    };
    let refused = "the server has no TLS certificate that is trusted for this host";
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
        let message = format!("{address}: {refused}");
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
