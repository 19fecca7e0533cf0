//! Where a database is: read from a URL, and shown without credentials.

use std::fmt;
use std::sync::Arc;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Reads a URL such as `postgres://user:password@host:5432/database?sslmode=require`.
///
/// What the URL holds is not repeated in errors, since any part may be a piece of a password that
/// was not percent-encoded.
pub(super) fn parse(url: &str) -> Result<Config, StoreError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("postgres" | "postgresql") => {}
        Some(other) if is_scheme(other) => {
            return Err(misconfigured(format!("{EXPECTED}, found {other}://")));
        }
        _ => return Err(misconfigured(format!("{EXPECTED}, found another text"))),
    }
    let config: Config = verified_as_required(url)
        .parse()
        .map_err(|error| misconfigured(format!("{EXPECTED}, found {}", defect(&error))))?;
    // What follows the first @ of a password would be shown as host or database.
    let shown = names(&config)
        .into_iter()
        .chain(config.get_dbname().map(ToOwned::to_owned));
    if shown.into_iter().any(|name| name.contains('@')) {
        return Err(misconfigured(format!(
            "{EXPECTED}, found a second @; in a password it is written %40"
        )));
    }
    Ok(config)
}

const EXPECTED: &str = "expected a URL such as postgres://user@host:5432/database";

fn is_scheme(text: &str) -> bool {
    matches!(text.len(), 1..=20)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// `verify-ca` and `verify-full` are what TLS always does here, so they mean `require`.
fn verified_as_required(url: &str) -> String {
    let Some((start, options)) = url.rsplit_once('?') else {
        return url.to_owned();
    };
    let options = options.split('&').map(|option| match option {
        "sslmode=verify-ca" | "sslmode=verify-full" => "sslmode=require",
        other => other,
    });
    format!("{start}?{}", options.collect::<Vec<_>>().join("&"))
}

/// What tokio-postgres says of a URL, where that repeats nothing of it but the name of an option.
fn defect(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let source = source.unwrap_or_default();
    let unknown = source
        .strip_prefix("unknown option `")
        .and_then(|rest| rest.strip_suffix('`'));
    match unknown {
        Some(name) if OPTIONS_OF_LIBPQ.contains(&name) => {
            format!("the option {name}, which is not supported")
        }
        Some(_) => "an unknown option".to_owned(),
        None if source.starts_with("invalid value for option") => {
            format!("an {source}")
        }
        None => "another text".to_owned(),
    }
}

/// What libpq knows and tokio-postgres does not.
const OPTIONS_OF_LIBPQ: &[&str] = &[
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "passfile",
    "require_auth",
    "service",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslpassword",
    "sslrootcert",
];

/// Where a database is, as errors tell it: hosts, ports and the database's name.
#[derive(Clone)]
pub(super) struct Address(Arc<str>);

impl Address {
    /// The address in a configuration.
    pub(super) fn of(config: &Config) -> Result<Self, StoreError> {
        let mut hosts = Vec::new();
        for (index, host) in names(config).into_iter().enumerate() {
            let ports = config.get_ports();
            let port = ports.get(index).or(ports.first()).unwrap_or(&5432);
            hosts.push(format!("{host}:{port}"));
        }
        if hosts.is_empty() {
            return Err(misconfigured(format!("{EXPECTED}, found no host")));
        }
        let database = config.get_dbname().or(config.get_user());
        let database = database.map(|name| format!("/{name}")).unwrap_or_default();
        Ok(Self(format!("{}{database}", hosts.join(",")).into()))
    }
}

fn names(config: &Config) -> Vec<String> {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<_> = hosts.collect();
    if hosts.is_empty() {
        let addresses = config.get_hostaddrs().iter();
        return addresses.map(ToString::to_string).collect();
    }
    hosts
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL at {}", self.0)
    }
}

fn misconfigured(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}
