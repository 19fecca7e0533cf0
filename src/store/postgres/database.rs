//! Sends statements: to one of the connections for look-ups, or to the one for changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::address::Address;
use super::connector::Connector;
use super::fault::Fault;
use super::options::PostgresOptions;
use super::pool::Pool;
use super::sql::{Query, Sql};
use super::stop::Stop;
use crate::store::error::{StoreError, StoreErrorKind};

/// The connections of one store.
pub(super) struct Database {
    reading: Pool,
    /// Apart, so that a change that waits for a lock holds no look-up up.
    writing: Pool,
    connector: Arc<Connector>,
    sql: Arc<Sql>,
    deadline: Duration,
    calls: Semaphore,
    max_calls: usize,
    turns: [Mutex<()>; TURNS],
}

/// How many changes of different keys, and inserts for different owners that have a limit, may be
/// under way in this process, about.
const TURNS: usize = 64;

/// How often a statement is sent again that the server gave up.
const ATTEMPTS: usize = 8;

impl Database {
    pub(super) fn start(
        connector: Arc<Connector>,
        sql: Arc<Sql>,
        options: &PostgresOptions,
        stop: &Stop,
    ) -> Self {
        let pool = |size| Pool::start(size, &connector, &sql, options, stop);
        Self {
            reading: pool(options.connections),
            writing: pool(1),
            deadline: options.deadline,
            calls: Semaphore::new(options.max_calls),
            max_calls: options.max_calls,
            turns: [const { Mutex::const_new(()) }; TURNS],
            connector,
            sql,
        }
    }

    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    pub(super) fn address(&self) -> &Address {
        self.connector.address()
    }

    pub(super) fn sql(&self) -> &Arc<Sql> {
        &self.sql
    }

    /// How many connections for look-ups are up.
    pub(super) fn up(&self) -> usize {
        self.reading.up()
    }

    /// Waits for the first connection, or for the failure to make one.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        self.reading.link().await.map(drop)
    }

    /// Bounds a call in time and number.
    pub(super) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let _permit = self.calls.try_acquire().map_err(|_| self.overloaded())?;
        timeout(self.deadline, call)
            .await
            .unwrap_or_else(|_| Err(self.late()))
    }

    /// Reads rows; again where the connection was lost meanwhile, since all may be lost at once.
    pub(super) async fn read(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let mut answer = self.reading.link().await?.query(query, parameters).await;
        for _ in 0..self.reading.size() {
            if !answer.as_ref().is_err_and(Fault::is_lost) {
                break;
            }
            answer = self.reading.link().await?.query(query, parameters).await;
        }
        answer.map_err(|fault| fault.into_store_error(self.address()))
    }

    /// Writes in one atomic statement; once more where the server broke a deadlock.
    pub(super) async fn write(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let mut answer = self.writing.link().await?.query(query, parameters).await;
        for _ in 1..ATTEMPTS {
            if !answer.as_ref().is_err_and(Fault::is_passing) {
                break;
            }
            answer = self.writing.link().await?.query(query, parameters).await;
        }
        answer
    }

    /// Waits for the turn to change a key, or to add one to an owner who has a limit: of changes at
    /// once, each would have to be made again after each of the others.
    pub(super) async fn turn(&self, of: &[u8]) -> tokio::sync::MutexGuard<'_, ()> {
        let mixed = of.iter().fold(0_usize, |mixed, octet| {
            mixed.wrapping_mul(31).wrapping_add(usize::from(*octet))
        });
        self.turns[mixed % TURNS].lock().await
    }

    fn overloaded(&self) -> StoreError {
        let message = format!(
            "expected at most {} calls at once, found more",
            self.max_calls
        );
        StoreError::new(StoreErrorKind::Overloaded, message)
    }

    fn late(&self) -> StoreError {
        let message = format!(
            "expected an answer of {} within {:?}, found none",
            self.address(),
            self.deadline
        );
        StoreError::new(StoreErrorKind::TimedOut, message)
    }
}
