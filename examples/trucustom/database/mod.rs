//! The databases that products and sessions are in, beside the keys.

mod postgres;
mod sqlite;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::time::timeout;

pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;

/// Tells the operator; where nobody can be told, the request goes on all the same.
pub(crate) fn report(error: &dyn Display) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a request waits for a database. The limits of each are below, so that it says more of why it
/// does not answer, and has given up by itself.
const DEADLINE: Duration = Duration::from_secs(6);

/// What a database answers in time, or all that it says of why not.
pub(crate) async fn in_time<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let Ok(answer) = timeout(DEADLINE, work).await else {
        return Err("expected an answer within 6 s, found none".into());
    };
    answer.map_err(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            text = format!("{text}: {deeper}");
            cause = deeper.source();
        }
        text.into()
    })
}
