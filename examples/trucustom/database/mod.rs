//! The databases that products and sessions are in, beside the keys.

mod postgres;
mod sqlite;

use std::error::Error;
use std::time::Duration;

use tokio::time::timeout;

pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a request waits for a database.
const DEADLINE: Duration = Duration::from_secs(5);

/// What a database answers in time.
pub(crate) async fn in_time<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    match timeout(DEADLINE, work).await {
        Ok(answer) => answer,
        Err(_) => Err("expected an answer within 5 s, found none".into()),
    }
}
