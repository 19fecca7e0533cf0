//! Keys in PostgreSQL, shared by many servers, each with a cache that hears of every change.
//!
//! ```text
//! DATABASE_URL=postgres://user:password@localhost/app cargo run --example postgres --features axum,cache,postgres
//! ```
//!
//! It makes its tables at the first start, issues a key at each, and prints requests to paste.
//! `LISTEN` sets another address than 127.0.0.1:3000; Ctrl-C stops it.

mod support;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::routing::get;
use tower_api_key::store::{CacheOptions, CachedStore, PostgresStore};
use tower_api_key::{ApiKeyLayer, Identity, KeyManager, NewKey, Scope};

use support::Command;

#[tokio::main]
async fn main() -> ExitCode {
    support::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = support::listen().await?;
    let url = env::var("DATABASE_URL").map_err(
        |_| "expected a URL such as postgres://user:password@localhost/app in DATABASE_URL",
    )?;
    let store = PostgresStore::connect(&url).await?;
    store.migrate().await?;

    // A revocation on any server empties the caches of all, within milliseconds as a rule, and
    // within the fallback time to live of 5 s whatever happens to the connection.
    let keys = KeyManager::new(CachedStore::watching(store, CacheOptions::new())?);
    let new = NewKey::new("acct_42", "A start of the example").with_scopes([Scope::READ]);
    let fresh = keys.issue(new).await?;

    let app = Router::new()
        .route("/whoami", get(whoami))
        .layer(ApiKeyLayer::from_verifier(keys.verifier()));

    let base = format!("http://{}", listener.local_addr()?);
    print_commands(&base, fresh.key.expose_secret());
    println!("Listening on {base}. Ctrl-C stops.");
    axum::serve(listener, app)
        .with_graceful_shutdown(support::stop_signal())
        .await?;
    Ok(())
}

async fn whoami(identity: Identity) -> String {
    format!("{} may {}", identity.owner(), identity.scopes())
}

fn print_commands(base: &str, key: &str) {
    println!("A key, shown once: {key}\nIt works after a restart too.\n");
    for (status, what, body, arguments) in [
        (
            200,
            "the key works",
            Some("acct_42 may read"),
            format!("{base}/whoami -H 'Authorization: Bearer {key}'"),
        ),
        (401, "no key", None, format!("{base}/whoami")),
    ] {
        let command = Command {
            status,
            what,
            body,
            arguments,
        };
        println!("{command}");
    }
}
