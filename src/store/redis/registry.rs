//! The write side of a store in Redis.

use std::ops::Range;
use std::sync::Arc;

use ::redis::{Cmd, Value};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use super::link::Repeat;
use super::reply::{Row, word};
use super::script::Script;
use super::store::{RedisStore, Shared};
use super::sums::digits_of_hour_from;
use crate::record::change::{ChangeRefused, KeyChange};
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::audit_page::{AuditPage, AuditPageRequest};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::feed::FeedEvent;
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;
use crate::store::scope_use::ScopeUse;
use crate::store::transition::Transition;
use crate::store::usage::{UsageBatch, UsageBucket};

/// How many records are sent in one piece: Redis does nothing else meanwhile, for a few
/// milliseconds.
const CHUNK: usize = 200;

/// How many sums or entries are read or forgotten in one step, for the same reason.
const STEP: usize = 500;

#[async_trait]
impl KeyRegistry for RedisStore {
    async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let shared = &*self.0;
        let command = shared.commands.insert(&record, context)?;
        let script = &shared.commands.scripts.insert;
        let reply = shared.link.run(script, &command, Repeat::Never).await?;
        shared.inserted(record, reply)
    }

    /// Sends the records in pieces of 200, each with a deadline of its own. Each record is added or
    /// refused in one step. When a piece gets no answer, none of it is known to be added, and none
    /// after it is sent.
    async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let context = context.for_many();
        let mut answers = Vec::with_capacity(records.len());
        let mut records = records.into_iter();
        loop {
            let chunk: Vec<_> = records.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return answers;
            }
            let count = chunk.len() + records.len();
            match self.0.insert_chunk(chunk, &context).await {
                Ok(inserted) => answers.extend(inserted),
                Err(error) => {
                    let (kind, message) = (error.kind(), error.to_string());
                    answers.push(Err(error));
                    let same = || StoreError::new(kind, message.clone());
                    answers.extend((1..count).map(|_| Err(same())));
                    return answers;
                }
            }
        }
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.0.row(id).await?.map(|row| row.record))
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let shared = &*self.0;
        let command = shared.commands.list(owner, page);
        let script = &shared.commands.scripts.list;
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        let reader = shared.reader();
        let items = reader.items(reply)?;
        let keys = items.chunks_exact(2).map(|pair| {
            let row = reader.row(reader.id(&pair[0])?, reader.fields(pair.get(1))?)?;
            row.map(|row| row.record)
                .ok_or_else(|| reader.corrupt("none where a list leads to one"))
        });
        let keys: Result<Vec<_>, StoreError> = keys.collect();
        Ok(KeyPage::new(page, keys?))
    }

    /// When others change the key at the same time, this is tried again until the deadline of a
    /// call; then it is [`Overloaded`](StoreErrorKind::Overloaded), and nothing is changed.
    async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        let shared = &*self.0;
        let event = FeedEvent::of(*id, change);
        let began = Instant::now();
        let mut row = shared.row(id).await?.ok_or_else(not_found)?;
        while began.elapsed() < shared.options.deadline {
            let (after, entry) = Transition::of(change, &row.record, context)?.into_parts();
            let Some(entry) = entry else {
                return Ok(row.record);
            };
            let commands = &shared.commands;
            let command = commands.change(&row, change, after.as_ref(), &entry)?;
            let script = &shared.commands.scripts.change;
            let reply = shared.link.run(script, &command, Repeat::Never).await?;
            match shared.changed(*id, reply)? {
                Changed::Done(now) => {
                    shared.listeners.tell(event);
                    return Ok(now.map_or(row.record, |now| now.record));
                }
                Changed::Raced(now) => row = now,
            }
        }
        let deadline = shared.options.deadline;
        let message = format!("expected to change the key within {deadline:?}, found it busy");
        Err(StoreError::new(StoreErrorKind::Overloaded, message))
    }

    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        let shared = &*self.0;
        let command = shared.commands.audit(owner, page);
        let script = &shared.commands.scripts.audit;
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        let entries = shared.reader().entries(owner, reply)?;
        Ok(AuditPage::new(page, entries))
    }

    /// Forgets 500 entries in one step, each with a deadline of its own; where one fails, those
    /// before it stay forgotten.
    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let commands = &self.0.commands;
        let command = commands.forget_audit(at, STEP);
        self.0
            .forget(&commands.scripts.forget_audit, &command)
            .await
    }

    /// Counts the whole batch in one step, in which Redis does nothing else: about a millisecond
    /// for 100 uses. A use of a key whose value in Redis is corrupt is left out.
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let shared = &*self.0;
        let Some(latest) = batch.last_used_at() else {
            return Ok(());
        };
        let command = shared.commands.count(batch, latest);
        let script = &shared.commands.scripts.count;
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        shared.reader().items(reply).map(|_| ())
    }

    /// Reads 500 sums in one step; what happens meanwhile may be in some of them, and not in others.
    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let shared = &*self.0;
        let script = &shared.commands.scripts.usage;
        let end = digits_of_hour_from(hours.end);
        let mut after = digits_of_hour_from(hours.start).into_bytes();
        let mut sums = Vec::new();
        loop {
            let command = shared.commands.usage(id, &after, &end, STEP);
            let reply = shared.link.run(script, &command, Repeat::Once).await?;
            let read = sums.len();
            let last = shared.reader().sums(reply, &mut sums)?;
            match last {
                Some(last) if sums.len() == read + STEP => after = last,
                _ => break,
            }
        }
        sums.sort_unstable_by_key(|sum| (sum.hour(), sum.secret_version()));
        Ok(sums)
    }

    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        let shared = &*self.0;
        let command = shared.commands.scope_uses(id);
        let script = &shared.commands.scripts.get;
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        shared.reader().scope_uses(reply)
    }

    /// Forgets 500 sums in one step, each with a deadline of its own; where one fails, those before
    /// it stay forgotten.
    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let commands = &self.0.commands;
        let command = commands.forget_usage(hour, STEP);
        self.0
            .forget(&commands.scripts.forget_usage, &command)
            .await
    }
}

/// What came of a change.
enum Changed {
    /// It was made, and this is the key now; `None` if it is gone.
    Done(Option<Row>),
    /// The key was changed meanwhile, and this is what it became.
    Raced(Row),
}

impl Shared {
    async fn row(&self, id: &KeyId) -> Result<Option<Row>, StoreError> {
        let command = self.commands.get(id);
        let script = &self.commands.scripts.get;
        let reply = self.link.run(script, &command, Repeat::Once).await?;
        let items = self.reader().items(reply)?;
        let reader = self.reader();
        reader.row(*id, reader.fields(items.first())?)
    }

    async fn insert_chunk(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Result<Vec<Result<Arc<KeyRecord>, StoreError>>, StoreError> {
        let commands: Result<Vec<_>, _> = records
            .iter()
            .map(|record| self.commands.insert(record, context))
            .collect();
        let script = &self.commands.scripts.insert;
        let replies = self
            .link
            .run_many(script, &commands?, Repeat::Never)
            .await?;
        let inserted = records.into_iter().zip(replies);
        Ok(inserted
            .map(|(record, reply)| self.inserted(record, reply?))
            .collect())
    }

    /// Reads the answer to an insertion, and tells of it.
    fn inserted(&self, record: KeyRecord, reply: Value) -> Result<Arc<KeyRecord>, StoreError> {
        let items = self.reader().items(reply)?;
        match word(&items) {
            b"done" => {
                self.listeners.tell(FeedEvent::Added(record.id()));
                Ok(Arc::new(record))
            }
            b"earlier" => self.earlier(&items),
            b"limit" => Err(ChangeRefused::TooManyKeys.into()),
            b"id" => Err(already_exists("id")),
            b"digest" => Err(already_exists("digest")),
            _ => Err(self.reader().corrupt("another answer")),
        }
    }

    /// The key that was added before with the same idempotency key.
    fn earlier(&self, items: &[Value]) -> Result<Arc<KeyRecord>, StoreError> {
        let reader = self.reader();
        let id = reader.id(items.get(1).unwrap_or(&Value::Nil))?;
        let row = reader.row(id, reader.fields(items.get(2))?)?;
        row.map(|row| row.record)
            .ok_or_else(|| reader.corrupt("another answer"))
    }

    /// Runs the command of a script that forgets, until there is nothing left to forget; returns
    /// how much it forgot.
    async fn forget(&self, script: &Script, command: &Cmd) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            // Sent again, it would not tell what was forgotten before.
            let reply = self.link.run(script, command, Repeat::Never).await?;
            let [Value::Int(count), Value::Int(more)] = self.reader().items(reply)?[..] else {
                return Err(self.reader().corrupt("another answer"));
            };
            forgotten += count.unsigned_abs();
            if more == 0 {
                return Ok(forgotten);
            }
        }
    }

    /// Reads the answer to a change.
    fn changed(&self, id: KeyId, reply: Value) -> Result<Changed, StoreError> {
        let reader = self.reader();
        let items = reader.items(reply)?;
        let row = match items.get(1) {
            None => None,
            fields => reader.row(id, reader.fields(fields)?)?,
        };
        match (word(&items), row) {
            (b"done", row) => Ok(Changed::Done(row)),
            (b"raced", Some(row)) => Ok(Changed::Raced(row)),
            (b"gone", _) => Err(not_found()),
            (b"digest", _) => Err(already_exists("digest")),
            _ => Err(reader.corrupt("another answer")),
        }
    }
}

fn not_found() -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, "no such key")
}

fn already_exists(what: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::AlreadyExists,
        format!("expected a new key, found its {what} in the store"),
    )
}
