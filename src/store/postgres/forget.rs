//! Forgets what is old, some at a time.

use jiff::Timestamp;

use super::database::Database;
use super::fault::Fault;
use super::sql::Query;
use super::timestamptz::microsecond;
use crate::store::error::StoreError;

/// How many rows one statement forgets.
const STEP: i64 = 2_000;

impl Database {
    /// Forgets entries of audit trails and idempotency keys; returns how many entries.
    pub(super) async fn forget_audit(&self, before: Timestamp) -> Result<u64, StoreError> {
        let forgotten = self.forget(Query::ForgetAudit, before).await?;
        self.forget(Query::ForgetIdempotency, before).await?;
        Ok(forgotten)
    }

    /// Forgets sums and writers; returns how many sums.
    pub(super) async fn forget_usage(&self, before: Timestamp) -> Result<u64, StoreError> {
        let forgotten = self.forget(Query::ForgetUsage, before).await?;
        self.forget(Query::ForgetWriters, before).await?;
        Ok(forgotten)
    }

    /// Sends a statement until it finds nothing more; each time has the deadline of a call.
    async fn forget(&self, query: Query, before: Timestamp) -> Result<u64, StoreError> {
        let before = microsecond(before);
        let mut forgotten = 0;
        loop {
            let step = async {
                let gone = self.forget_some(query, before).await;
                gone.map_err(|fault| fault.into_store_error(self.address()))
            };
            let gone = self.within(step).await?;
            if gone == 0 {
                return Ok(forgotten);
            }
            forgotten += gone;
        }
    }

    async fn forget_some(&self, query: Query, before: i64) -> Result<u64, Fault> {
        let rows = self.write(query, &[&before, &STEP]).await?;
        let gone = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
        Ok(gone.unsigned_abs())
    }
}
