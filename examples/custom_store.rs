//! A key store of one's own: a list of digests, such as a file that is deployed with a server.
//!
//! ```text
//! cargo run --example custom_store
//! ```
//!
//! Each line of the list has four fields: the 8 digits of a key that may be shown, the SHA-256
//! digest of the key, its owner, and its scopes. `KEYS` names a file with such lines; without it,
//! the example makes two keys and a list of them, and prints requests to paste.

mod support;

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::{env, fs};

use async_trait::async_trait;
use axum::routing::get;
use axum::{Extension, Router};
use jiff::Timestamp;
use tower_api_key::key::{ApiKey, KeyDigest, KeyFormat, KeyHasher, RandomnessError};
use tower_api_key::record::{KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::StoreError;
use tower_api_key::{ApiKeyLayer, Identity, KeyStore, Scope};

use support::Command;

struct KeyList(HashMap<KeyDigest, Arc<KeyRecord>>);

/// All that a store must do. The verifier compares the digest and judges expiry and revocation
/// itself, so a mistake here refuses a key, but lets no wrong one in.
#[async_trait]
impl KeyStore for KeyList {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.0.get(digest).cloned())
    }
}

impl FromStr for KeyList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = (1..).zip(text.lines());
        let used = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        used.map(|(number, line)| {
            // The line itself stays out of the message: by mistake it may hold a key.
            read_line(number, line).ok_or_else(|| {
                format!("expected 'prefix digest owner scope,scope' in line {number} of the keys")
            })
        })
        .collect::<Result<_, _>>()
        .map(Self)
    }
}

fn read_line(number: u128, line: &str) -> Option<(KeyDigest, Arc<KeyRecord>)> {
    let mut fields = line.split_ascii_whitespace();
    let prefix = fields.next()?.parse().ok()?;
    let digest = KeyDigest::from_hex(fields.next()?).ok()?;
    let owner = fields.next()?;
    let scopes: Vec<Scope> = fields
        .next()?
        .split(',')
        .map(|name| name.parse().ok())
        .collect::<Option<_>>()?;
    if fields.next().is_some() {
        return None;
    }
    let id = KeyId::from_bytes(number.to_be_bytes());
    let secret = SecretVersion::new(1, digest, prefix, Timestamp::UNIX_EPOCH);
    let record = KeyRecord::new(id, owner, format!("line {number}"), Timestamp::UNIX_EPOCH)
        .with_scopes(scopes)
        .with_secret_versions([secret]);
    Some((digest, Arc::new(record)))
}

#[tokio::main]
async fn main() -> ExitCode {
    support::finish(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = support::listen().await?;
    let base = format!("http://{}", listener.local_addr()?);
    let keys: KeyList = match env::var("KEYS") {
        Ok(path) => {
            let list = fs::read_to_string(&path);
            list.map_err(|error| format!("cannot read {path}: {error}"))?
                .parse()?
        }
        Err(_) => made_up_list(&base)?.parse()?,
    };
    let app = Router::new()
        .route("/whoami", get(whoami).post(whoami))
        .layer(ApiKeyLayer::new(keys));

    println!("Listening on {base}. Ctrl-C stops.");
    axum::serve(listener, app)
        .with_graceful_shutdown(support::stop_signal())
        .await?;
    Ok(())
}

async fn whoami(Extension(identity): Extension<Identity>) -> String {
    format!("{} may {}\n", identity.owner(), identity.scopes())
}

/// Makes two keys, shows them with requests to paste, and returns the list of them.
fn made_up_list(base: &str) -> Result<String, RandomnessError> {
    let reader = ApiKey::generate(&KeyFormat::default())?;
    let writer = ApiKey::generate(&KeyFormat::default())?;
    print_keys(base, reader.expose_secret(), writer.expose_secret());
    Ok([
        list_line(&reader, "acct_42", "read"),
        list_line(&writer, "acct_7", "read,write"),
    ]
    .join("\n"))
}

fn list_line(key: &ApiKey, owner: &str, scopes: &str) -> String {
    let digest = hex::encode(KeyHasher::sha256().digest(key).as_bytes());
    format!("{} {digest} {owner} {scopes}", key.prefix())
}

fn print_keys(base: &str, reader: &str, writer: &str) {
    println!("Keys, shown once:\n  acct_42  {reader}\n  acct_7   {writer}\n");
    let whoami = format!("{base}/whoami");
    for (status, what, body, arguments) in [
        (
            200,
            "a key of the list",
            "acct_42 may read",
            format!("{whoami} -H 'Authorization: Bearer {reader}'"),
        ),
        (
            200,
            "another, in the other header",
            "acct_7 may read write",
            format!("-X POST {whoami} -H 'X-API-Key: {writer}'"),
        ),
        (
            403,
            "a key without write",
            r#"{"error":"Forbidden","message":"This action requires the 'write' scope, which this API key lacks."}"#,
            format!("-X POST {whoami} -H 'X-API-Key: {reader}'"),
        ),
        (
            401,
            "a key that is not in the list",
            r#"{"error":"Unauthorized","message":"Invalid or missing API key."}"#,
            format!("{whoami} -H 'Authorization: Bearer tc_{}'", "0".repeat(64)),
        ),
    ] {
        let command = Command {
            status,
            what,
            body: Some(body),
            arguments,
        };
        println!("{command}");
    }
}
