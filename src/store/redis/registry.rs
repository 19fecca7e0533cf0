//! The write side of a store in Redis.

use std::sync::Arc;

use ::redis::Value;
use async_trait::async_trait;
use tokio::time::Instant;

use super::link::Repeat;
use super::reply::Row;
use super::store::{RedisStore, Shared};
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::feed::FeedEvent;
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;
use crate::store::usage::KeyUse;

/// How many records or uses are sent in one piece: Redis does nothing else meanwhile, for about a
/// millisecond.
const CHUNK: usize = 200;

#[async_trait]
impl KeyRegistry for RedisStore {
    async fn insert(&self, record: KeyRecord) -> Result<Arc<KeyRecord>, StoreError> {
        let shared = &*self.0;
        let command = shared.commands.insert(&record)?;
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
    ) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
        let mut answers = Vec::with_capacity(records.len());
        let mut records = records.into_iter();
        loop {
            let chunk: Vec<_> = records.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return answers;
            }
            let count = chunk.len() + records.len();
            match self.0.insert_chunk(chunk).await {
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
    async fn apply(&self, id: &KeyId, change: &KeyChange) -> Result<Arc<KeyRecord>, StoreError> {
        let shared = &*self.0;
        let event = FeedEvent::of(*id, change);
        let began = Instant::now();
        let mut row = shared.row(id).await?.ok_or_else(not_found)?;
        while began.elapsed() < shared.options.deadline {
            let after = change.applied_to(&row.record)?;
            let command = shared.commands.change(&row, change, after.as_ref())?;
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

    /// Sends the uses in pieces of 200. A key whose value is corrupt does not hold up the others.
    async fn record_usage(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        let shared = &*self.0;
        let mut corrupt = false;
        for uses in uses.chunks(CHUNK) {
            let command = shared.commands.note(uses);
            let script = &shared.commands.scripts.note;
            let reply = shared.link.run(script, &command, Repeat::Once).await?;
            let items = shared.reader().items(reply)?;
            corrupt |= items != [Value::Int(0)];
        }
        if corrupt {
            return Err(shared.reader().corrupt("a value of another type"));
        }
        Ok(())
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
    ) -> Result<Vec<Result<Arc<KeyRecord>, StoreError>>, StoreError> {
        let commands: Result<Vec<_>, _> = records
            .iter()
            .map(|record| self.commands.insert(record))
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
            b"id" => Err(already_exists("id")),
            b"digest" => Err(already_exists("digest")),
            _ => Err(self.reader().corrupt("another answer")),
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

/// What a script says of its outcome.
fn word(items: &[Value]) -> &[u8] {
    match items.first() {
        Some(Value::BulkString(word)) => word,
        _ => b"",
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
