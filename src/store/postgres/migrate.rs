//! Makes the tables, or brings them up to this version.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tokio_postgres::{Client, IsolationLevel};

use super::database::Database;
use super::fault::{Fault, other_tables};
use super::sql::{Query, VERSION};
use crate::store::error::{StoreError, StoreErrorKind};

/// How long a migration may take, with the wait for those of other processes.
const PATIENCE: Duration = Duration::from_secs(60);

impl Database {
    /// Makes the tables, or brings them up to this version, in one transaction, on a connection of
    /// its own.
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        if self.is_migrated().await {
            return Ok(());
        }
        let (mut client, mut driver) = self.connector().open(|_| {}).await?;
        let migrated = timeout(PATIENCE, self.migrate_on(&mut client)).await;
        match migrated {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return Err(fault.into_store_error(self.address())),
            Err(_) => {
                let address = self.address();
                let message = format!("expected to migrate {address} within {PATIENCE:?}");
                return Err(StoreError::new(StoreErrorKind::TimedOut, message));
            }
        }
        drop(client);
        driver.ended().await;
        Ok(())
    }

    /// Whether a look-up finds the tables of this version, as it does at every start but the first.
    async fn is_migrated(&self) -> bool {
        let rows = self.read(Query::Version, &[]).await.unwrap_or_default();
        let found = rows.first().map(|row| row.try_get(0));
        matches!(found, Some(Ok(VERSION)))
    }

    async fn migrate_on(&self, client: &mut Client) -> Result<(), Fault> {
        let sql = self.sql();
        // Whatever the database's default: what others did is seen once their lock is free.
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::ReadCommitted)
            .start()
            .await?;
        let lock = lock_of(sql.prefix());
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&lock])
            .await?;
        let row = transaction
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[&sql.name("meta")])
            .await?;
        let found = if row.try_get(0)? {
            let row = transaction
                .query_one(&sql.text(Query::Version), &[])
                .await?;
            row.try_get(0)?
        } else {
            0
        };
        let Some(steps) = sql.steps_from(found) else {
            return Err(other_tables(found, sql, self.address()).into());
        };
        transaction.batch_execute(&steps).await?;
        Ok(transaction.commit().await?)
    }
}

/// The advisory lock of the tables with this prefix.
fn lock_of(prefix: &str) -> i64 {
    let digest = Sha256::digest(format!("tower-api-key {prefix}"));
    let mut octets = [0; 8];
    octets.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(octets)
}
