//! Keys in an SQLite file: they outlive the server, and need no other one.
//!
//! ```text
//! cargo run --example sqlite --features axum,sqlite
//! ```
//!
//! On the first start it makes a key, and prints requests to paste. Stop it, start it again, and
//! paste them once more: the key still works. `DATABASE` names another file than `keys.db`, by a
//! path or as `sqlite:///path`; `LISTEN` sets another address than 127.0.0.1:3000; Ctrl-C stops it.

mod support;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::routing::get;
use tower_api_key::record::SecretVersion;
use tower_api_key::store::{PageRequest, SqliteStore};
use tower_api_key::{ApiKeyLayer, Identity, KeyManager, NewKey, Scope};

use support::Command;

const OWNER: &str = "acct_42";

#[tokio::main]
async fn main() -> ExitCode {
    support::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = support::listen().await?;
    let base = format!("http://{}", listener.local_addr()?);
    let database = env::var("DATABASE").unwrap_or_else(|_| "keys.db".to_owned());

    let store = SqliteStore::connect(&database).await?;
    // Any number of servers may do this at once; those that come second find it done.
    store.migrate().await?;
    let keys = KeyManager::new(store);
    print_keys(&keys, &base, &database).await?;

    let app = Router::new()
        .route("/whoami", get(whoami).post(whoami))
        .layer(ApiKeyLayer::from_verifier(keys.verifier()));
    println!("Listening on {base}. Ctrl-C stops.");
    axum::serve(listener, app)
        .with_graceful_shutdown(support::stop_signal())
        .await?;
    Ok(())
}

async fn whoami(identity: Identity) -> String {
    format!("{} may {}\n", identity.owner(), identity.scopes())
}

/// Makes a key where there is none, and shows it with requests to paste.
async fn print_keys(
    keys: &KeyManager<SqliteStore>,
    base: &str,
    database: &str,
) -> Result<(), Box<dyn Error>> {
    let whoami = format!("{base}/whoami");
    let page = keys.list(OWNER, &PageRequest::default()).await?;
    for record in page.keys() {
        let prefix = record.secret_versions().first().map(SecretVersion::prefix);
        let prefix = prefix.map_or_else(String::new, |prefix| prefix.to_string());
        println!("{database} has the key tc_{prefix}… of {OWNER}, shown when it was made.\n");
    }
    if page.keys().is_empty() {
        let new = NewKey::new(OWNER, "First key").with_scopes([Scope::READ]);
        let key = keys.issue(new).await?.key;
        let key = key.expose_secret();
        println!("A key, shown once, and kept in {database}:\n  {OWNER}  {key}\n");
        let allowed = Command {
            status: 200,
            what: "the key, also after a restart",
            body: Some("acct_42 may read"),
            arguments: format!("{whoami} -H 'Authorization: Bearer {key}'"),
        };
        let forbidden = Command {
            status: 403,
            what: "it lacks write",
            body: Some(
                r#"{"error":"Forbidden","message":"This action requires the 'write' scope, which this API key lacks."}"#,
            ),
            arguments: format!("-X POST {whoami} -H 'X-API-Key: {key}'"),
        };
        println!("{allowed}\n{forbidden}");
    }
    let unauthorized = Command {
        status: 401,
        what: "no key",
        body: Some(r#"{"error":"Unauthorized","message":"Invalid or missing API key."}"#),
        arguments: whoami,
    };
    println!("{unauthorized}");
    Ok(())
}
