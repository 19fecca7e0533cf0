//! One connection and the statements that are prepared on it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::sync::{Notify, OnceCell};
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::address::Address;
use super::fault::{Fault, other_tables};
use super::hidden::Hidden;
use super::sql::{Query, Sql, VERSION};

/// One pipelined connection.
pub(super) struct Link {
    client: Client,
    address: Address,
    sql: Arc<Sql>,
    statements: [OnceCell<Statement>; Query::COUNT],
    fits: OnceCell<()>,
    /// Whether a statement was sent since the last probe.
    used: AtomicBool,
    /// Whether no more statements can be sent.
    spoilt: AtomicBool,
    spoiling: Notify,
}

impl Link {
    pub(super) fn new(client: Client, address: Address, sql: Arc<Sql>) -> Self {
        Self {
            client,
            address,
            sql,
            statements: Default::default(),
            fits: OnceCell::new(),
            used: AtomicBool::new(false),
            spoilt: AtomicBool::new(false),
            spoiling: Notify::new(),
        }
    }

    /// Sets the session up.
    pub(super) async fn prepare_session(&self, deadline: Duration) -> Result<(), Fault> {
        let settings = format!(
            "SET statement_timeout = {}; {SETTINGS}",
            deadline.as_millis()
        );
        Ok(self.client.batch_execute(&settings).await?)
    }

    /// Whether statements can be sent; no longer so once one has heard that the connection is lost.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed() && !self.spoilt.load(Ordering::Relaxed)
    }

    /// Sends a statement and waits for its rows. Once it is sent, it takes effect whether or not
    /// anybody waits.
    pub(super) async fn query(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        self.used.store(true, Ordering::Relaxed);
        let answer = self.rows(query, parameters).await;
        if answer.as_ref().is_err_and(Fault::spoils_connection) {
            self.spoilt.store(true, Ordering::Relaxed);
            self.spoiling.notify_one();
        }
        answer
    }

    async fn rows(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let statement = match self.statements[query as usize].get() {
            Some(statement) => statement,
            None => self.prepare(query).await?,
        };
        let parameters = parameters.iter().map(|parameter| Hidden(*parameter));
        let rows = self.client.query_raw(statement, parameters).await?;
        Ok(rows.try_collect().await?)
    }

    async fn prepare(&self, query: Query) -> Result<&Statement, Fault> {
        self.fits.get_or_try_init(|| self.check_version()).await?;
        let prepare = async || Ok(self.client.prepare(&self.sql.text(query)).await?);
        self.statements[query as usize]
            .get_or_try_init(prepare)
            .await
    }

    async fn check_version(&self) -> Result<(), Fault> {
        let query = self.sql.text(Query::Version);
        let found = match self.client.query_opt(&query, &[]).await {
            Ok(Some(row)) => row.try_get(0)?,
            Ok(None) => 0,
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => 0,
            Err(error) => return Err(error.into()),
        };
        if found == VERSION {
            return Ok(());
        }
        Err(other_tables(found, &self.sql, &self.address).into())
    }

    /// Waits until the connection is of no more use: spoilt, or silent for the deadline while
    /// something was asked of it.
    ///
    /// Answers come in the order of the questions, so one empty question after all others tells of
    /// a server that hangs, a network that swallows, and a backlog that is too long.
    pub(super) async fn worn_out(&self, deadline: Duration) {
        let spoilt = pin!(self.spoiling.notified());
        let silent = pin!(self.silent(deadline));
        futures_util::future::select(spoilt, silent).await;
    }

    async fn silent(&self, deadline: Duration) {
        loop {
            sleep(deadline / 2).await;
            if self.used.swap(false, Ordering::Relaxed) {
                let probe = timeout(deadline, self.client.check_connection()).await;
                if !matches!(probe, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

/// Every statement is made for indexes and nested loops; a plan made while the tables were small
/// would read them from end to end after they have grown. The semantics are those of `read
/// committed`, whatever the database's default.
const SETTINGS: &str = "\
SET default_transaction_isolation = 'read committed'; \
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
SET plan_cache_mode = force_generic_plan";
