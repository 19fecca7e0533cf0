//! The write side of the store.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::audit;
use super::cells::stored;
use super::change;
use super::insert;
use super::read;
use super::sql::Sql;
use super::store::SqliteStore;
use super::usage;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::audit_page::{AuditPage, AuditPageRequest};
use crate::store::error::StoreError;
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::{UsageBatch, UsageBucket};

#[async_trait]
impl KeyRegistry for SqliteStore {
    async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let context = context.clone();
        self.change(move |database, sql| insert::issue(database, sql, record, &context))
            .await
    }

    /// Adds them by the thousand, each thousand in one transaction with a deadline of its own.
    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let context = Arc::new(context.for_many());
        let mut answers = Vec::with_capacity(records.len());
        let mut records = records.into_iter();
        loop {
            let part: Vec<_> = records.by_ref().take(STEP as usize).collect();
            if part.is_empty() {
                return answers;
            }
            answers.append(&mut self.insert_part(part, context.clone()).await);
        }
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let id = *id;
        self.read(move |database, sql| {
            let found = read::get(database, sql, &id)?;
            Ok(found.map(|(_, record)| Arc::new(record)))
        })
        .await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let (owner, page) = (owner.to_owned(), *page);
        self.read(move |database, sql| read::list(database, sql, &owner, &page))
            .await
    }

    async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let (id, change, context) = (*id, change.clone(), context.clone());
        self.change(move |database, sql| change::apply(database, sql, &id, &change, &context))
            .await
    }

    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        let (owner, page) = (owner.to_owned(), *page);
        self.read(move |database, sql| audit::page(database, sql, &owner, &page))
            .await
    }

    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let forgotten = self.forget(|sql| &sql.audit.forget, at).await?;
        self.forget(|sql| &sql.forget_issued, at).await?;
        Ok(forgotten)
    }

    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        if batch.uses().is_empty() {
            return Ok(());
        }
        let batch = batch.clone();
        self.change(move |database, sql| Ok((usage::count(database, sql, &batch)?, Vec::new())))
            .await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let id = *id;
        self.read(move |database, sql| usage::buckets(database, sql, &id, &hours))
            .await
    }

    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        let id = *id;
        self.read(move |database, sql| usage::scopes(database, sql, &id))
            .await
    }

    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let forgotten = self.forget(|sql| &sql.usage.forget, hour).await?;
        self.forget(|sql| &sql.usage.forget_writers, hour).await?;
        Ok(forgotten)
    }
}

impl SqliteStore {
    async fn insert_part(
        &self,
        part: Vec<KeyRecord>,
        context: Arc<ChangeContext>,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let count = part.len();
        let added =
            self.change(move |database, sql| insert::add_many(database, sql, part, &context));
        // After a failure none of them was added, or none is known to be.
        added.await.unwrap_or_else(|error| vec![Err(error); count])
    }

    /// Forgets all that is older, and returns how much that was.
    async fn forget(
        &self,
        statement: fn(&Sql) -> &str,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let step = self.change(move |database, sql| {
                let mut forget = database.prepare_cached(statement(sql))?;
                Ok((forget.execute((stored(before), STEP))?, Vec::new()))
            });
            let count = step.await?;
            forgotten += count as u64;
            if count < STEP as usize {
                return Ok(forgotten);
            }
        }
    }
}

/// How many rows are added or forgotten in one transaction; others' changes get their turn in
/// between.
const STEP: u32 = 1_000;
