//! An API to manage keys, beside an API that needs them.
//!
//! ```text
//! cargo run --example management --features management,tokio
//! ```
//!
//! It makes one key that may manage the others, and prints requests to paste. `tour.sh` beside this
//! file goes through the whole life of a key by curl. `LISTEN` sets another address than
//! 127.0.0.1:3000; Ctrl-C stops it.

#[path = "../support/mod.rs"]
mod support;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tower_api_key::integration::management::{ManagementApi, OwnerAuthoriser};
use tower_api_key::manage::IssuePolicy;
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::usage::{UsageFlusher, UsageFlusherOptions, UsageMonitor};
use tower_api_key::{ApiKeyLayer, Identity, KeyManager, MemoryStore, NewKey, Scope, ScopeSet};

use support::Command;

#[tokio::main]
async fn main() -> ExitCode {
    support::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = support::listen().await?;
    let base = format!("http://{}", listener.local_addr()?);

    // An owner may have so many keys, none of which lives longer than ten years.
    let policy = IssuePolicy::new()
        .with_longest_lifetime(Duration::from_secs(3_653 * 86_400))
        .with_max_keys_of_owner(100_000);
    let keys = KeyManager::new(MemoryStore::new()).with_issue_policy(policy);
    let scopes = [
        Scope::READ,
        Scope::WRITE,
        Scope::DELETE,
        OwnerAuthoriser::SCOPE,
    ];
    let new = NewKey::new("acct_42", "Management")
        .with_scopes(scopes)
        .expires_in(Duration::from_secs(3_652 * 86_400));
    let first = keys.issue(new).await?;
    print_requests(&base, first.key.expose_secret());

    let monitor = UsageMonitor::new();
    let options = UsageFlusherOptions::new().with_interval(Duration::from_secs(1));
    let flusher = UsageFlusher::spawn(monitor.clone(), keys.store().clone(), options)?;

    let products = ApiKeyLayer::from_verifier(keys.verifier()).with_usage(monitor.clone());
    // The authoriser asks for `keys:manage`, whatever the method.
    let any_key = |_: &RequestHead<'_>| Requirement::Scopes(ScopeSet::new());
    let management = ApiKeyLayer::from_verifier(keys.verifier())
        .with_policy(any_key)
        .with_usage(monitor);
    let api = ManagementApi::new(&keys, OwnerAuthoriser::new());
    let app = Router::new()
        .route("/api/v1/whoami", get(whoami).post(whoami).layer(products))
        .nest("/api/v1", api.router().layer(management));

    println!("Listening on {base}. Ctrl-C stops.");
    axum::serve(listener, app)
        .with_graceful_shutdown(support::stop_signal())
        .await?;
    flusher.shutdown().await?;
    Ok(())
}

async fn whoami(identity: Identity) -> String {
    format!("{} may {}\n", identity.owner(), identity.scopes())
}

fn print_requests(base: &str, key: &str) {
    println!("A key that may manage keys, shown once:\n  acct_42  {key}\n");
    let api = format!("{base}/api/v1");
    let bearer = format!("-H 'Authorization: Bearer {key}'");
    let json = "-H 'Content-Type: application/json'";
    let requests = [
        (
            201,
            "makes a key, and shows it once",
            format!(
                "{api}/keys {bearer} {json} -d '{{\"name\":\"CI\",\"scopes\":[\"read\"],\"expires_in_days\":90}}'"
            ),
        ),
        (200, "lists the keys", format!("{api}/keys {bearer}")),
        (200, "tells who did what", format!("{api}/audit {bearer}")),
        (
            200,
            "describes the API",
            format!("{api}/openapi.json {bearer}"),
        ),
        (
            422,
            "names every field that is wrong",
            format!("{api}/keys {bearer} {json} -d '{{\"name\":\"\",\"owner\":\"acct_9\"}}'"),
        ),
        (401, "no key", format!("{api}/keys")),
    ];
    for (status, what, arguments) in requests {
        let command = Command {
            status,
            what,
            body: None,
            arguments,
        };
        println!("{command}");
    }
}
