//! The write side of a store in Redis.

use std::sync::Arc;

use async_trait::async_trait;

use super::audit::text_of;
use super::feed::message_of;
use super::link::Repeat;
use super::names::{VERSION, id_hex};
use super::rows::{add_acting, add_secrets, digits_of_time, mark_of_revoked, word};
use super::store::RedisStore;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::contract::error::StoreError;
use crate::store::contract::feed::FeedEvent;
use crate::store::contract::page::{KeyPage, PageRequest};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::write::{Commit, Insert, Inserted};

#[async_trait]
impl KeyRegistry for RedisStore {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        let shared = &*self.0;
        let record = &insert.record;
        let event = FeedEvent::Added(record.id());
        let max = insert.max_keys_per_owner;
        let script = &shared.scripts.insert;
        let mut command = script.command(1);
        command
            .arg(&shared.names.version)
            .arg(VERSION)
            .arg(&shared.names.start)
            .arg(id_hex(&record.id()))
            .arg(record.owner())
            .arg(record.to_document())
            .arg(record.revision())
            .arg(mark_of_revoked(record));
        add_acting(&mut command, insert.acting);
        command
            .arg(max.map_or(String::new(), |max| max.to_string()))
            .arg(insert.idempotency_key.map_or(String::new(), hex::encode))
            .arg(message_of(event))
            .arg(digits_of_time(insert.audit.at()))
            .arg(text_of(&insert.audit));
        add_secrets(&mut command, record.secret_versions());
        let reply = shared.link.run(script, &command, Repeat::Never).await?;
        let items = shared.items(reply)?;
        match word(&items) {
            b"done" => {
                shared.listeners.tell(event);
                Ok(Inserted::Created)
            }
            b"existing" => {
                let key = shared.key(shared.id(items.get(1))?, items.get(2))?;
                key.map(Inserted::Existing)
                    .ok_or_else(|| shared.unknown_answer())
            }
            b"id" => Err(StoreError::already_exists("id")),
            b"digest" => Err(StoreError::already_exists("digest")),
            b"acting" => Err(StoreError::conflict()),
            b"limit" => Err(StoreError::too_many_keys(max.unwrap_or_default())),
            _ => Err(shared.unknown_answer()),
        }
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let shared = &*self.0;
        let script = &shared.scripts.get;
        let mut command = script.command(2);
        command
            .arg(&shared.names.version)
            .arg(shared.names.key(id))
            .arg(VERSION);
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        shared.key(*id, shared.items(reply)?.first())
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let shared = &*self.0;
        let below = match page.cursor() {
            Some(id) => format!("({}", id_hex(&id)),
            None => "+".to_owned(),
        };
        let script = &shared.scripts.list;
        let mut command = script.command(2);
        command
            .arg(&shared.names.version)
            .arg(shared.names.owner(owner))
            .arg(VERSION)
            .arg(&shared.names.keys)
            .arg(below)
            .arg(page.examined());
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        let items = shared.items(reply)?;
        let keys = items.chunks_exact(2).map(|pair| {
            let id = shared.id(pair.first())?;
            shared.key(id, pair.get(1))?.ok_or_else(|| {
                shared.corrupt(&format!("{id}: a list has the key, which does not exist"))
            })
        });
        let keys: Result<Vec<Arc<KeyRecord>>, StoreError> = keys.collect();
        Ok(KeyPage::new(page, keys?))
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let shared = &*self.0;
        let event = commit.event();
        let next = commit.next.as_deref();
        let script = &shared.scripts.commit;
        let mut command = script.command(1);
        command
            .arg(&shared.names.version)
            .arg(VERSION)
            .arg(&shared.names.start)
            .arg(id_hex(&commit.id))
            .arg(commit.audit.owner())
            .arg(commit.expected_revision);
        add_acting(&mut command, commit.acting);
        command
            .arg(message_of(event))
            .arg(digits_of_time(commit.audit.at()))
            .arg(text_of(&commit.audit))
            .arg(next.map(KeyRecord::to_document).unwrap_or_default())
            .arg(next.map_or(0, KeyRecord::revision))
            .arg(next.map_or("", mark_of_revoked));
        add_secrets(&mut command, next.map_or(&[], KeyRecord::secret_versions));
        let reply = shared.link.run(script, &command, Repeat::Never).await?;
        match word(&shared.items(reply)?) {
            b"done" => {
                shared.listeners.tell(event);
                Ok(())
            }
            b"gone" => Err(StoreError::not_found()),
            b"conflict" | b"acting" => Err(StoreError::conflict()),
            b"digest" => Err(StoreError::already_exists("digest")),
            _ => Err(shared.unknown_answer()),
        }
    }
}
