//! One connection and the statements that are prepared on it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::join4;
use tokio::sync::{Notify, OnceCell};
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::address::Address;
use super::error::Fault;
use super::hidden::Hidden;
use super::schema::{Schema, VERSION};

/// One pipelined connection.
pub(super) struct Link {
    client: Client,
    address: Address,
    schema: Arc<Schema>,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Held while messages are sent.
    order: Mutex<()>,
    fits: OnceCell<()>,
    /// Whether a statement was sent since the last probe.
    used: AtomicBool,
    /// Whether no more statements can be sent.
    spoilt: AtomicBool,
    spoiling: Notify,
}

impl Link {
    pub(super) fn new(client: Client, address: Address, schema: Arc<Schema>) -> Self {
        Self {
            client,
            address,
            schema,
            statements: Mutex::default(),
            order: Mutex::default(),
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

    /// Sends a statement that reads, and waits for its rows.
    pub(super) async fn read(
        &self,
        statement: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        self.used.store(true, Ordering::Relaxed);
        let answer = async {
            let statement = self.statement(statement).await?;
            self.send(&statement, parameters).await
        };
        self.watched(answer.await)
    }

    /// Sends a statement that writes, and waits for its rows; under the lock of that name, if there is
    /// one. Once it is sent, it takes effect whether or not anybody waits.
    pub(super) async fn write(
        &self,
        lock: Option<&str>,
        statement: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        self.used.store(true, Ordering::Relaxed);
        let answer = async {
            let statement = self.statement(statement).await?;
            match lock {
                Some(name) => self.send_under_lock(name, &statement, parameters).await,
                None => self.together(self.send(&statement, parameters)).await,
            }
        };
        self.watched(answer.await)
    }

    /// The lock is taken by a statement of its own, so that the other sees what was committed before.
    async fn send_under_lock(
        &self,
        name: &str,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let lock = self.statement(LOCK).await?;
        let names: [&(dyn ToSql + Sync); 1] = [&name];
        let transaction = join4(
            self.client
                .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
            self.send(&lock, &names),
            self.send(statement, parameters),
            self.client.batch_execute("COMMIT"),
        );
        let (begun, locked, rows, committed) = self.together(transaction).await;
        begun?;
        locked?;
        let rows = rows?;
        committed?;
        Ok(rows)
    }

    async fn send(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let parameters = parameters.iter().map(|parameter| Hidden(*parameter));
        let rows = self.client.query_raw(statement, parameters).await?;
        Ok(rows.try_collect().await?)
    }

    /// Sends messages without those of other calls between them, which would get into a transaction.
    ///
    /// The first poll sends them all.
    async fn together<T>(&self, messages: impl Future<Output = T>) -> T {
        let mut messages = pin!(messages);
        poll_fn(|context| {
            let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            messages.as_mut().poll(context)
        })
        .await
    }

    /// Notes whether the connection is of use after that answer.
    fn watched<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        if answer.as_ref().is_err_and(Fault::spoils_connection) {
            self.spoilt.store(true, Ordering::Relaxed);
            self.spoiling.notify_one();
        }
        answer
    }

    /// The statement, prepared once per connection.
    async fn statement(&self, template: &'static str) -> Result<Statement, Fault> {
        let prepared = || {
            self.statements
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(statement) = prepared().get(template) {
            return Ok(statement.clone());
        }
        self.fits.get_or_try_init(|| self.check_version()).await?;
        let text = self.schema.statement(template);
        let statement = self.together(self.client.prepare(&text)).await?;
        prepared().insert(template, statement.clone());
        Ok(statement)
    }

    async fn check_version(&self) -> Result<(), Fault> {
        let query = self.schema.statement(FIND_VERSION);
        let found = match self.client.query_opt(&query, &[]).await {
            Ok(Some(row)) => row.try_get(0)?,
            Ok(None) => 0,
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => 0,
            Err(error) => return Err(error.into()),
        };
        if found == VERSION {
            return Ok(());
        }
        Err(self.schema.mismatch(found, &self.address).into())
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

/// The version of the tables.
pub(super) const FIND_VERSION: &str = "SELECT version FROM {p}meta";

/// A lock until the end of the transaction.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext('{p}'), hashtext($1))";

/// Every statement is made for indexes and nested loops; a plan made while the tables were small
/// would read them from end to end after they have grown. The semantics are those of `read
/// committed`, whatever the database's default.
const SETTINGS: &str = "\
SET default_transaction_isolation = 'read committed'; \
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
SET plan_cache_mode = force_generic_plan";
