//! Usage of keys.

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};

use super::failure::Fault;
use super::rows::{self, integer};
use super::sql::Sql;
use super::store::SqliteStore;
use crate::record::id::KeyId;
use crate::scope::set::ScopeSet;
use crate::store::contract::error::StoreError;
use crate::store::contract::usage::{KeyUse, UsageBatch, UsageBucket, UsageStore};

#[async_trait]
impl UsageStore for SqliteStore {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let Some(last_used_at) = batch.last_used_at() else {
            return Ok(());
        };
        let batch = batch.clone();
        self.change(move |database, sql| {
            count(database, sql, &batch, last_used_at)?;
            Ok(((), Vec::new()))
        })
        .await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let id = *id;
        self.read(move |database, sql| {
            let (start, end) = (hours.start.as_microsecond(), hours.end.as_microsecond());
            let mut statement = database.prepare_cached(&sql.usage.buckets)?;
            let buckets = statement.query_map((id.as_bytes(), start, end), bucket)?;
            Ok(buckets.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let pruned = self.prune(|sql| &sql.usage.prune, hour).await?;
        self.prune(|sql| &sql.usage.prune_writers, hour).await?;
        Ok(pruned)
    }
}

/// Counts a batch, unless its writer's sequence number shows that it was counted.
fn count(
    database: &Connection,
    sql: &Sql,
    batch: &UsageBatch,
    last_used_at: Timestamp,
) -> Result<(), Fault> {
    let accepted = database
        .prepare_cached(&sql.usage.accept)?
        .execute(params![
            batch.writer(),
            integer(batch.sequence()),
            last_used_at.as_microsecond(),
        ])?;
    if accepted == 0 {
        return Ok(());
    }
    batch
        .uses()
        .iter()
        .try_for_each(|one| count_one(database, sql, one))
}

fn count_one(database: &Connection, sql: &Sql, one: &KeyUse) -> Result<(), Fault> {
    let secret = one.secret_version();
    let used_at = one.last_used_at().as_microsecond();
    let mut used = database.prepare_cached(&sql.usage.used)?;
    let used = used.query_row(params![one.key().as_bytes(), secret, used_at], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, [u8; 32]>(1)?,
            row.get(2)?,
        ))
    });
    let Some((key, digest, is_later)) = used.optional()? else {
        return Ok(());
    };
    if is_later {
        let mut note = database.prepare_cached(&sql.usage.note)?;
        note.execute(params![digest, used_at])?;
    }
    if one.allowed() == 0 && one.refused() == 0 && one.exercised().is_empty() {
        return Ok(());
    }
    let hour = one.hour().as_microsecond();
    let mut count = database.prepare_cached(&sql.usage.count)?;
    let known = count.query_row(
        params![
            key,
            hour,
            secret,
            integer(one.allowed()),
            integer(one.refused()),
            one.exercised().to_string(),
        ],
        |row| scopes(row, 0),
    )?;
    if !known.contains_all(one.exercised()) {
        let all = known.union(one.exercised()).to_string();
        let mut add = database.prepare_cached(&sql.usage.add_scopes)?;
        add.execute(params![key, hour, secret, all])?;
    }
    Ok(())
}

fn bucket(row: &Row<'_>) -> Result<UsageBucket, Error> {
    let (allowed, refused) = (rows::count(row, ALLOWED)?, rows::count(row, REFUSED)?);
    let bucket = UsageBucket::new(rows::time(row, HOUR)?, row.get(SECRET)?, allowed, refused);
    Ok(bucket.with_scopes(scopes(row, SCOPES)?))
}

/// The scopes in a column.
fn scopes(row: &Row<'_>, column: usize) -> Result<ScopeSet, Error> {
    let names = row.get_ref(column)?.as_str()?.split(' ');
    Ok(ScopeSet::from_stored_lossy(names))
}

// The columns, in the order of the statement.
const HOUR: usize = 0;
const SECRET: usize = 1;
const ALLOWED: usize = 2;
const REFUSED: usize = 3;
const SCOPES: usize = 4;
