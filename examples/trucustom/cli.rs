//! Keys from a shell.

use std::error::Error;
use std::io::{self, BufRead, Write as _};
use std::time::Duration;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_api_key::manage::{DEFAULT_GRACE_PERIOD, IssuedKey, LegacyKey, ManageError};
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
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
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
        /// How long previous secrets stay valid; with 0, they expire at once
        #[arg(long, default_value_t = DEFAULT_GRACE_PERIOD.as_secs())]
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
    /// "name", "sha256" in hex characters and "scopes"; and with "format", such as `tc_`, or with
    /// "prefix", the characters that the key starts with, such as `tc_89abcdef`
    Import {
        /// The format of keys whose lines have neither "format" nor "prefix"
        #[arg(long, value_name = "NAME")]
        format: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(command: Keys, settings: &Settings) -> Result<(), Box<dyn Error>> {
    match act(command, settings).await {
        // Whoever read the output has seen enough of it.
        Err(error) if is_broken_pipe(&*error) => Ok(()),
        Err(error) => Err(with_cause(error)),
        Ok(()) => Ok(()),
    }
}

/// That the store failed is of no use without why.
fn with_cause(error: Box<dyn Error>) -> Box<dyn Error> {
    match error.downcast_ref::<ManageError>().and_then(Error::source) {
        Some(cause) => format!("{error}: {cause}").into(),
        None => error,
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn act(command: Keys, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let place = settings.place()?;
    if place == Place::Memory {
        return Err("expected a store that outlives this command, found memory:".into());
    }
    let keys = stores::existing_keys(&place).await?.acting_as(ACTOR);
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
            print_issued(&keys.issue(new).await?, json)?;
        }
        Keys::List { json } => list(&keys, account, json).await?,
        Keys::Show { id, json } => print_key(&own(&keys, account, &id).await?, json)?,
        Keys::Rotate {
            id,
            grace_seconds,
            json,
        } => {
            own(&keys, account, &id).await?;
            let grace = Duration::from_secs(grace_seconds);
            print_issued(&keys.rotate(&id, grace).await?, json)?;
        }
        Keys::Revoke { id, reason, json } => {
            own(&keys, account, &id).await?;
            let revoked = keys.revoke(&id, &reason).await?;
            print_key(&revoked, json)
                .map_err(|error| format!("{id} is revoked, but that can't be printed ({error})"))?;
        }
        Keys::Import { format, json } => import(&keys, account, format, json).await?,
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
            print_key(record, json)?;
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
    scopes: Vec<Scope>,
    format: Option<String>,
    prefix: Option<String>,
}

impl Line {
    /// The key of a line, of that format where the line says nothing of it.
    fn into_key(self, account: &str, default: Option<&str>) -> LegacyKey {
        let key = LegacyKey::from_hex(account, self.name, &self.sha256).with_scopes(self.scopes);
        match (self.format, self.prefix) {
            (Some(format), Some(prefix)) => key.with_format(format).with_leading(prefix),
            (Some(format), None) => key.with_format(format),
            (None, Some(prefix)) => key.with_leading(prefix),
            (None, None) => match default {
                Some(format) => key.with_format(format),
                None => key,
            },
        }
    }
}

async fn import(
    keys: &dashboard::Keys,
    account: &str,
    format: Option<String>,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let (mut legacy, mut lines) = (Vec::new(), Vec::new());
    for (line, number) in io::stdin().lock().lines().zip(1..) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        // The position is told, and not the line, which may hold a secret by mistake.
        let line: Line = serde_json::from_str(&line).map_err(|error| {
            format!(
                "line {number}, column {}: expected an object with name, sha256 and scopes",
                error.column()
            )
        })?;
        legacy.push(line.into_key(account, format.as_deref()));
        lines.push(number);
    }
    let report = keys.import(legacy).await?;
    let refused = report.refused().iter().map(|one| {
        let told = one.to_string();
        let of_key = format!("key {}: ", one.index());
        let reason = told.strip_prefix(&of_key).unwrap_or(&told).to_owned();
        (lines[one.index()], reason)
    });
    let refused: Vec<(u64, String)> = refused.collect();
    let stopped_before = report.stopped_before().map(|index| lines[index]);
    if !json {
        for (line, reason) in &refused {
            report_line(&format!("line {line}: {reason}"));
        }
        if let Some(line) = stopped_before {
            report_line(&format!(
                "the store fails: nothing from line {line} on was tried"
            ));
        }
    }
    let told = if json {
        let refused = refused
            .iter()
            .map(|(line, reason)| json!({"line": line, "reason": reason}));
        let refused: Vec<_> = refused.collect();
        json!({
            "imported": report.imported(),
            "refused": refused,
            "stopped_before_line": stopped_before,
        })
        .to_string()
    } else {
        format!("{} keys imported", report.imported())
    };
    let printed = writeln!(io::stdout(), "{told}");
    if report.is_complete() && refused.is_empty() {
        printed.map_err(|error| format!("{told}, but that can't be printed ({error})").into())
    } else {
        Err("not every key was imported".into())
    }
}

/// What nobody can be told of changes nothing.
fn report_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn print_issued(issued: &IssuedKey, json: bool) -> Result<(), String> {
    let (id, secret) = (issued.record.id(), issued.key.expose_secret());
    let printed = if json {
        let mut shown = shown(&issued.record);
        shown["key"] = secret.into();
        writeln!(io::stdout(), "{shown}")
    } else {
        // The key alone on standard output, for a script or a pipe.
        report_line(&format!("{id} {}", issued.record.name()));
        writeln!(io::stdout(), "{secret}")
    };
    printed.map_err(|error| {
        format!("the secret of {id} was made, but can't be printed ({error}): rotate the key")
    })
}

fn print_key(record: &KeyRecord, json: bool) -> io::Result<()> {
    let shown = shown(record);
    if json {
        return writeln!(io::stdout(), "{shown}");
    }
    let text = |member: &str| shown[member].as_str().unwrap_or("-").to_owned();
    writeln!(
        io::stdout(),
        "{}  {}  {:8}  {:24}  {}  expires {}",
        text("id"),
        text("prefix"),
        text("status"),
        text("name"),
        record.scopes(),
        text("expires_at"),
    )
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
