//! The whole product, `TruCustom`, on one port: an API behind keys, an API to manage them, and a dashboard
//! where people make, copy, rotate, revoke and watch them.
//!
//! ```text
//! cargo run --example trucustom --all-features
//! ```
//!
//! The first start makes an account, and prints its management key once, with requests to paste. Keys,
//! products and sessions are in `trucustom.db`. `STORE` names another place: `sqlite:///path`,
//! `postgres://…`, `redis://…` or `memory:`. `LISTEN` sets another address than 127.0.0.1:3000. Ctrl-C
//! stops it.
//!
//! The same program manages keys from a shell: `… --example trucustom --all-features -- keys --help`.

mod cli;
#[path = "../support/connections.rs"]
mod connections;
mod dashboard;
mod database;
mod first_start;
mod products;
mod serve;
mod sessions;
mod settings;
mod stores;
#[path = "../support/mod.rs"]
mod support;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;

use settings::Settings;

/// An API behind keys, with a dashboard to manage them.
#[derive(Parser)]
#[command(name = "trucustom", version, after_help = LISTEN)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Serves, where no command is given.
    #[command(subcommand)]
    command: Option<Command>,
}

const LISTEN: &str =
    "The environment variable LISTEN sets the address; the default is 127.0.0.1:3000.";

#[derive(clap::Subcommand)]
enum Command {
    /// Makes, shows and changes keys in the store.
    #[command(subcommand)]
    Keys(cli::Keys),
}

fn main() -> ExitCode {
    support::finish(run(Arguments::parse()))
}

/// The end waits for no call to a database that hangs.
fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(act(arguments));
    runtime.shutdown_background();
    outcome
}

async fn act(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    match arguments.command {
        None => serve::serve(arguments.settings).await,
        Some(Command::Keys(command)) => cli::run(command, &arguments.settings).await,
    }
}
