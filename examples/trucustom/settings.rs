//! Where the product keeps its data, and for whom.

use std::str::FromStr;

use clap::Args;
use clap::builder::FalseyValueParser;

/// What the environment, or an option of the same name, says.
#[derive(Args)]
pub(crate) struct Settings {
    #[arg(
        long,
        help = "A path, sqlite:///path, postgres://…, redis://… or memory:",
        env = "STORE",
        default_value = "trucustom.db",
        global = true,
        hide_env_values = true
    )]
    store: String,
    /// The account whose keys are managed
    #[arg(long, env = "ACCOUNT", default_value = "acct_trucustom", global = true)]
    pub(crate) account: String,
    /// Says that people reach the dashboard by https, so that its cookie never travels without
    #[arg(long, env = "BEHIND_HTTPS", value_parser = FalseyValueParser::new())]
    pub(crate) behind_https: bool,
}

impl Settings {
    /// Where data is kept.
    pub(crate) fn place(&self) -> Result<Place, String> {
        self.store.parse()
    }
}

/// Where data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    /// A path or a URL, which the store reads.
    Sqlite(String),
    Postgres(String),
    Redis(String),
}

impl FromStr for Place {
    type Err = String;

    /// The text may hold a password, and is not repeated.
    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        match scheme {
            Some("memory") if text == "memory:" => Ok(Self::Memory),
            Some("sqlite") => Ok(Self::Sqlite(text.to_owned())),
            Some("postgres" | "postgresql") => Ok(Self::Postgres(text.to_owned())),
            Some("redis" | "rediss") => Ok(Self::Redis(text.to_owned())),
            None if !text.is_empty() => Ok(Self::Sqlite(text.to_owned())),
            _ => Err(
                "expected a path, sqlite:///path, postgres://…, redis://… or memory: in STORE, \
                      found something else"
                    .to_owned(),
            ),
        }
    }
}
