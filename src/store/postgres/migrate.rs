//! Makes the tables.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tokio_postgres::{Client, IsolationLevel};

use super::database::Database;
use super::error::Fault;
use super::link::FIND_VERSION;
use super::schema::VERSION;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// How long a migration may take, with the wait for those of other processes.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Database {
    /// Makes the tables in one transaction, on a connection of its own.
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        if self.is_migrated().await {
            return Ok(());
        }
        let (mut client, mut driver) = self.connector().open(|_| {}).await?;
        let migrated = timeout(TIMEOUT, self.migrate_on(&mut client)).await;
        match migrated {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return Err(fault.into_store_error(self.address())),
            Err(_) => {
                let address = self.address();
                let message = format!("{address}: the migration timed out after {TIMEOUT:?}");
                return Err(StoreError::new(StoreErrorKind::TimedOut, message));
            }
        }
        drop(client);
        driver.ended().await;
        Ok(())
    }

    /// Whether the tables are there, as at every start but the first.
    async fn is_migrated(&self) -> bool {
        let rows = self.read(FIND_VERSION, &[]).await.unwrap_or_default();
        let found = rows.first().map(|row| row.try_get(0));
        matches!(found, Some(Ok(VERSION)))
    }

    async fn migrate_on(&self, client: &mut Client) -> Result<(), Fault> {
        let schema = self.schema();
        // Whatever the database's default: what others did is seen once their lock is free.
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::ReadCommitted)
            .start()
            .await?;
        let lock = lock_of(schema.prefix());
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&lock])
            .await?;
        let row = transaction
            .query_one(
                "SELECT to_regclass($1) IS NOT NULL",
                &[&schema.name("meta")],
            )
            .await?;
        if !row.try_get::<_, bool>(0)? {
            transaction.batch_execute(&schema.tables()).await?;
            return Ok(transaction.commit().await?);
        }
        let row = transaction
            .query_one(&schema.statement(FIND_VERSION), &[])
            .await?;
        match row.try_get(0)? {
            VERSION => Ok(()),
            found => Err(schema.mismatch(found, self.address()).into()),
        }
    }
}

/// The advisory lock of the tables with this prefix.
fn lock_of(prefix: &str) -> i64 {
    let digest = Sha256::digest(format!("tower-api-key {prefix}"));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(bytes)
}
