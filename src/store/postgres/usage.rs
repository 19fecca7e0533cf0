//! Counts uses of keys.

use std::ops::Range;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::database::Database;
use super::fault::Fault;
use super::sql::Query;
use super::timestamptz::{Timestamptz, microsecond, timestamp};
use crate::record::id::KeyId;
use crate::scope::name::Scope;
use crate::store::error::StoreError;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::{KeyUse, UsageBatch, UsageBucket};

impl Database {
    /// Counts a batch, all of it or nothing, once.
    pub(super) async fn count(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let Some(heard_at) = batch.last_used_at().map(microsecond) else {
            return Ok(());
        };
        let sequence = i64::try_from(batch.sequence()).unwrap_or(i64::MAX);
        let uses = Uses::of(batch.uses());
        self.within(async {
            let counted = self
                .write(
                    Query::Use,
                    &[
                        &&batch.writer()[..],
                        &sequence,
                        &heard_at,
                        &uses.keys,
                        &uses.versions,
                        &uses.used_at,
                        &uses.hours,
                        &uses.allowed,
                        &uses.refused,
                        &uses.exercised,
                    ],
                )
                .await;
            let counted = counted.map_err(|fault| fault.into_store_error(self.address()));
            counted.map(drop)
        })
        .await
    }

    /// The sums of a key in hours that start within the range.
    pub(super) async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let (id, start) = (&id.as_bytes()[..], microsecond(hours.start));
        let end = microsecond(hours.end);
        let found = self
            .within(self.read(Query::Usage, &[&id, &start, &end]))
            .await?;
        let buckets: Result<Vec<_>, Fault> = found.iter().map(bucket).collect();
        buckets.map_err(|fault| fault.into_store_error(self.address()))
    }

    /// The scopes that a key has exercised. A name that is none grants nothing, and is left out.
    pub(super) async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        let id = &id.as_bytes()[..];
        let found = self.within(self.read(Query::ScopeUses, &[&id])).await?;
        let uses: Result<Vec<_>, Fault> = found.iter().map(scope_use).collect();
        let uses = uses.map_err(|fault| fault.into_store_error(self.address()))?;
        Ok(uses.into_iter().flatten().collect())
    }
}

fn scope_use(row: &Row) -> Result<Option<ScopeUse>, Fault> {
    let (first, last) = (timestamp(row.try_get(1)?), timestamp(row.try_get(2)?));
    let scope = Scope::new(row.try_get::<_, &str>(0)?).ok();
    Ok(scope.map(|scope| ScopeUse::new(scope, first, last)))
}

fn bucket(row: &Row) -> Result<UsageBucket, Fault> {
    let count = |column| Ok::<_, Fault>(row.try_get::<_, i64>(column)?.max(0).unsigned_abs());
    let version = u32::try_from(row.try_get::<_, i64>(1)?).unwrap_or(u32::MAX);
    let hour = timestamp(row.try_get(0)?);
    Ok(UsageBucket::new(hour, version, count(2)?, count(3)?))
}

/// The columns of uses.
#[derive(Default)]
struct Uses {
    keys: Vec<Vec<u8>>,
    versions: Vec<i64>,
    used_at: Vec<Option<Timestamptz>>,
    hours: Vec<i64>,
    allowed: Vec<i64>,
    refused: Vec<i64>,
    /// Scopes with spaces between them.
    exercised: Vec<String>,
}

impl Uses {
    fn of(uses: &[KeyUse]) -> Self {
        let mut columns = Self::default();
        // OK because no count of a use is above 2^53.
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        for one in uses {
            columns.keys.push(one.key().as_bytes().to_vec());
            columns.versions.push(one.secret_version().into());
            columns
                .used_at
                .push(Timestamptz::if_held(one.last_used_at()));
            columns.hours.push(microsecond(one.hour()));
            columns.allowed.push(count(one.allowed()));
            columns.refused.push(count(one.refused()));
            columns.exercised.push(one.exercised().to_string());
        }
        columns
    }
}
