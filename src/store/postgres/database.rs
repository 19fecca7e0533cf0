//! Sends statements: to one of the connections for lookups, or to the one for changes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::address::Address;
use super::connector::Connector;
use super::error::Fault;
use super::options::PostgresOptions;
use super::pool::Pool;
use super::schema::Schema;
use super::stop::Stop;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// The connections of one store.
pub(super) struct Database {
    reading: Pool,
    /// Apart, so that a change that waits for a lock delays no lookup.
    writing: Pool,
    connector: Arc<Connector>,
    schema: Arc<Schema>,
    deadline: Duration,
    calls: Semaphore,
    max_calls: usize,
}

/// How often a statement is sent that the server gives up.
const ATTEMPTS: usize = 8;

impl Database {
    pub(super) fn start(
        connector: Arc<Connector>,
        schema: Arc<Schema>,
        options: &PostgresOptions,
        stop: &Stop,
    ) -> Self {
        let pool = |size| Pool::start(size, &connector, &schema, options, stop);
        Self {
            reading: pool(options.connections),
            writing: pool(1),
            deadline: options.deadline,
            calls: Semaphore::new(options.max_calls),
            max_calls: options.max_calls,
            connector,
            schema,
        }
    }

    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    pub(super) fn address(&self) -> &Address {
        self.connector.address()
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many connections for lookups are up.
    pub(super) fn up(&self) -> usize {
        self.reading.up()
    }

    /// Waits for the first connection, or for the failure to make one.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        self.reading.link().await.map(drop)
    }

    /// Reads rows.
    ///
    /// Sends the statement again where the connection was lost, since all may be lost at once.
    pub(super) async fn read(
        &self,
        statement: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.within(async {
            let link = self.reading.link().await?;
            let mut answer = link.read(statement, parameters).await;
            for _ in 0..self.reading.size() {
                if !answer.as_ref().is_err_and(Fault::is_lost) {
                    break;
                }
                let link = self.reading.link().await?;
                answer = link.read(statement, parameters).await;
            }
            answer
        })
        .await
    }

    /// Writes in one statement, which happens or does not; under the lock of that name, if there is
    /// one.
    ///
    /// Sends it again where the server broke a deadlock.
    pub(super) async fn write(
        &self,
        lock: Option<&str>,
        statement: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.within(async {
            let link = self.writing.link().await?;
            let mut answer = link.write(lock, statement, parameters).await;
            for _ in 1..ATTEMPTS {
                if !answer.as_ref().is_err_and(Fault::is_passing) {
                    break;
                }
                let link = self.writing.link().await?;
                answer = link.write(lock, statement, parameters).await;
            }
            answer
        })
        .await
    }

    /// Sends a statement that deletes some old rows until it finds nothing more; returns how many rows
    /// it deleted.
    pub(super) async fn prune(
        &self,
        statement: &'static str,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let before = before.as_microsecond();
        let mut pruned = 0;
        loop {
            let rows = self.write(None, statement, &[&before, &PRUNED]).await?;
            if rows.is_empty() {
                return Ok(pruned);
            }
            pruned += rows.len() as u64;
        }
    }

    /// Bounds a call in time and number.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, StoreError> {
        let _permit = self.calls.try_acquire().map_err(|_| self.overloaded())?;
        let answer = timeout(self.deadline, call)
            .await
            .map_err(|_| self.late())?;
        answer.map_err(|fault| fault.into_store_error(self.address()))
    }

    fn overloaded(&self) -> StoreError {
        let message = format!(
            "{}: more than {} calls are in flight",
            self.address(),
            self.max_calls
        );
        StoreError::new(StoreErrorKind::Overloaded, message)
    }

    fn late(&self) -> StoreError {
        let message = format!("{}: no answer within {:?}", self.address(), self.deadline);
        StoreError::new(StoreErrorKind::TimedOut, message)
    }
}

/// How many rows a statement deletes, so that nothing is locked for long.
const PRUNED: i64 = 2_000;
