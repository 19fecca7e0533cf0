//! Keys from a shell.

use std::error::Error;
use std::io::{self, BufRead};
use std::time::Duration;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_api_key::manage::{IssuedKey, LegacyKey};
use tower_api_key::record::{KeyId, KeyRecord};
use tower_api_key::store::PageRequest;
use tower_api_key::{NewKey, Scope};

use crate::dashboard;
use crate::settings::{Place, Settings};
use crate::stores;

/// Who did it, in the audit trail.
const ACTOR: &str = "shell";

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Makes a key, and prints it: the only time it is shown
    Create {
        name: String,
        /// What the key may do, such as read or keys:manage; may be given several times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// How many days it works; without it, for ever
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=36_500))]
        expires_in_days: Option<u64>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the account's keys
    List {
        /// Prints JSON, one key a line
        #[arg(long)]
        json: bool,
    },
    /// Shows a key
    Show {
        id: KeyId,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Gives a key a new secret, and prints it: the only time it is shown
    Rotate {
        id: KeyId,
        /// How long the old secrets work on
        #[arg(long, default_value_t = 0)]
        grace_seconds: u64,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Refuses a key for ever
    Revoke {
        id: KeyId,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes over keys by their SHA-256 digests, from standard input: one JSON object a line, with
    /// "name", "sha256" in hexadecimal digits, and "scopes"
    Import {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(command: Keys, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let place = settings.place()?;
    if place == Place::Memory {
        return Err("expected a store that outlives this command, found memory:".into());
    }
    let keys = stores::keys(&place).await?.acting_as(ACTOR);
    let account = &*settings.account;
    match command {
        Keys::Create {
            name,
            scopes,
            expires_in_days,
            json,
        } => {
            let mut new = NewKey::new(account, name).with_scopes(scopes);
            if let Some(days) = expires_in_days {
                new = new.expires_in(Duration::from_secs(days * 86_400));
            }
            print_issued(&keys.issue(new).await?, json);
        }
        Keys::List { json } => list(&keys, account, json).await?,
        Keys::Show { id, json } => print_key(&own(&keys, account, &id).await?, json),
        Keys::Rotate {
            id,
            grace_seconds,
            json,
        } => {
            own(&keys, account, &id).await?;
            let grace = Duration::from_secs(grace_seconds);
            print_issued(&keys.rotate(&id, grace).await?, json);
        }
        Keys::Revoke { id, reason, json } => {
            own(&keys, account, &id).await?;
            print_key(&*keys.revoke(&id, &reason).await?, json);
        }
        Keys::Import { json } => import(&keys, account, json).await?,
    }
    Ok(())
}

/// The key of that id, if it is the account's.
async fn own(
    keys: &dashboard::Keys,
    account: &str,
    id: &KeyId,
) -> Result<KeyRecord, Box<dyn Error>> {
    let record = keys.get(id).await?;
    let record = record.filter(|record| record.owner() == account);
    let record = record.ok_or_else(|| format!("the account {account} has no key {id}"))?;
    Ok(KeyRecord::clone(&record))
}

async fn list(keys: &dashboard::Keys, account: &str, json: bool) -> Result<(), Box<dyn Error>> {
    let mut request = PageRequest::first(PageRequest::MAX_LIMIT);
    loop {
        let page = keys.list(account, &request).await?;
        for record in page.keys() {
            print_key(record, json);
        }
        match page.next() {
            Some(cursor) => request = request.after(cursor),
            None => return Ok(()),
        }
    }
}

/// One line of an import.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    sha256: String,
    #[serde(default)]
    scopes: Vec<Scope>,
}

async fn import(keys: &dashboard::Keys, account: &str, json: bool) -> Result<(), Box<dyn Error>> {
    let mut legacy = Vec::new();
    for (index, line) in io::stdin().lock().lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        // The position is told, and not the line, which may hold a secret by mistake.
        let line: Line = serde_json::from_str(&line).map_err(|error| {
            let number = index + 1;
            format!(
                "line {number}, column {}: expected an object with name, sha256 and scopes",
                error.column()
            )
        })?;
        let key = LegacyKey::from_hex(account, line.name, &line.sha256);
        legacy.push(key.with_scopes(line.scopes));
    }
    let report = keys.import(legacy).await?;
    let refused = report.refused();
    if json {
        let refused: Vec<_> = refused
            .iter()
            .map(|one| json!({"index": one.index(), "reason": one.to_string()}))
            .collect();
        println!(
            "{}",
            json!({"imported": report.imported(), "refused": refused})
        );
    } else {
        println!("{} keys imported", report.imported());
        for one in refused {
            eprintln!("key {}: {one}", one.index() + 1);
        }
    }
    if report.is_complete() && refused.is_empty() {
        Ok(())
    } else {
        Err("not every key was imported".into())
    }
}

fn print_issued(issued: &IssuedKey, json: bool) {
    let secret = issued.key.expose_secret();
    if json {
        let mut shown = shown(&issued.record);
        shown["key"] = secret.into();
        println!("{shown}");
    } else {
        // The key alone on standard output, for a script or a pipe.
        eprintln!("{} {}", issued.record.id(), issued.record.name());
        println!("{secret}");
    }
}

fn print_key(record: &KeyRecord, json: bool) {
    let shown = shown(record);
    if json {
        println!("{shown}");
    } else {
        let text = |member: &str| shown[member].as_str().unwrap_or("-").to_owned();
        println!(
            "{}  {}  {:8}  {:24}  {}  expires {}",
            text("id"),
            text("prefix"),
            text("status"),
            text("name"),
            record.scopes(),
            text("expires_at"),
        );
    }
}

fn shown(record: &KeyRecord) -> Value {
    let now = jiff::Timestamp::now();
    let newest = record.secret_versions().first();
    json!({
        "id": record.id().to_string(),
        "owner": record.owner(),
        "name": record.name(),
        "prefix": newest.map(|secret| format!("tc_{}", secret.prefix())),
        "scopes": record.scopes().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "status": record.status(now).to_string(),
        "created_at": record.created_at().to_string(),
        "expires_at": record.expires_at().map(|end| end.to_string()),
        "last_used_at": record.last_used_at().map(|used| used.to_string()),
    })
}
