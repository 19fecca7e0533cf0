//! The write side of the store.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::failure::Fault;
use super::rows::{self, integer};
use super::sql::Sql;
use super::store::SqliteStore;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::contract::error::StoreError;
use crate::store::contract::feed::FeedEvent;
use crate::store::contract::page::{KeyPage, PageRequest};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::write::{ActingKey, Commit, Insert, Inserted};

#[async_trait]
impl KeyRegistry for SqliteStore {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        self.change(move |database, sql| {
            let inserted = add(database, sql, &insert)?;
            let event = event(&insert, &inserted);
            Ok((inserted, event.into_iter().collect()))
        })
        .await
    }

    /// Adds them by the thousand, each thousand in one transaction with a deadline of its own.
    async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
        let mut answers = Vec::with_capacity(inserts.len());
        let mut inserts = inserts.into_iter();
        loop {
            let part: Vec<_> = inserts.by_ref().take(STEP as usize).collect();
            if part.is_empty() {
                return answers;
            }
            let count = part.len();
            let added = self.change(move |database, sql| add_many(database, sql, &part));
            // After a failure none of them was added, or none is known to be.
            let added = added.await.unwrap_or_else(|error| vec![Err(error); count]);
            answers.extend(added);
        }
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let id = *id;
        self.read(move |database, sql| rows::one(database, sql, &sql.get, [id.as_bytes()]))
            .await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let (owner, page) = (owner.to_owned(), page.clone());
        self.read(move |database, sql| rows::list(database, sql, &owner, &page))
            .await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.change(move |database, sql| {
            write(database, sql, &commit)?;
            Ok(((), vec![commit.event()]))
        })
        .await
    }
}

impl SqliteStore {
    /// Deletes all that is older, by the thousand, and returns how much that was.
    pub(super) async fn prune(
        &self,
        statement: fn(&Sql) -> &str,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let step = self.change(move |database, sql| {
                let mut prune = database.prepare_cached(statement(sql))?;
                Ok((prune.execute((before.as_microsecond(), STEP))?, Vec::new()))
            });
            let count = step.await?;
            pruned += count as u64;
            if count < STEP as usize {
                return Ok(pruned);
            }
        }
    }
}

/// How many rows one transaction adds or prunes. Other changes get their turn in between.
const STEP: u32 = 1_000;

/// What an insert reports to listeners.
fn event(insert: &Insert, inserted: &Inserted) -> Option<FeedEvent> {
    (*inserted == Inserted::Created).then(|| FeedEvent::Added(insert.record.id()))
}

/// Adds a key, or finds the one that an earlier insert has added. Adds nothing of a rejected key;
/// after another error the transaction must not be committed.
fn add(database: &Connection, sql: &Sql, insert: &Insert) -> Result<Inserted, Fault> {
    let (record, owner) = (&insert.record, insert.record.owner());
    if let Some(idempotency_key) = insert.idempotency_key {
        let earlier = rows::one(
            database,
            sql,
            &sql.inserted,
            params![owner, idempotency_key],
        )?;
        if let Some(earlier) = earlier {
            return Ok(Inserted::Existing(earlier));
        }
    }
    check_acting(database, sql, insert.acting)?;
    if let Some(max) = insert.max_keys_per_owner {
        let limit = integer(max);
        let mut count = database.prepare_cached(&sql.count_of_owner)?;
        if count.query_row((owner, limit), |row| row.get::<_, i64>(0))? >= limit {
            return Err(StoreError::too_many_keys(max).into());
        }
    }
    let inserted = database.prepare_cached(&sql.insert_key)?.execute(params![
        record.id().as_bytes(),
        owner,
        integer(record.revision()),
        record.revocation().is_some(),
        record.to_document(),
    ])?;
    if inserted == 0 {
        return Err(StoreError::already_exists("id").into());
    }
    let key = database.last_insert_rowid();
    for secret in record.secret_versions() {
        if let Err(fault) = add_secret(database, sql, key, secret) {
            // What was added goes with the key. A savepoint would make an import twice as slow.
            database.prepare_cached(&sql.delete_key)?.execute([key])?;
            return Err(fault);
        }
    }
    audit::write(database, sql, &insert.audit)?;
    if let Some(idempotency_key) = insert.idempotency_key {
        let mut remember = database.prepare_cached(&sql.remember_inserted)?;
        let at = insert.audit.at().as_microsecond();
        remember.execute(params![owner, idempotency_key, key, at])?;
    }
    Ok(Inserted::Created)
}

/// What became of each of many inserts.
type Answers = Vec<Result<Inserted, StoreError>>;

/// Adds keys, each by itself. After an error the transaction must not be committed.
fn add_many(
    database: &Connection,
    sql: &Sql,
    inserts: &[Insert],
) -> Result<(Answers, Vec<FeedEvent>), Fault> {
    let mut answers = Vec::with_capacity(inserts.len());
    let mut events = Vec::with_capacity(inserts.len());
    for insert in inserts {
        answers.push(match add(database, sql, insert) {
            Ok(inserted) => {
                events.extend(event(insert, &inserted));
                Ok(inserted)
            }
            Err(Fault::Store(rejected)) => Err(rejected),
            Err(fault) => return Err(fault),
        });
    }
    Ok((answers, events))
}

/// Changes or deletes a key. After an error the transaction must not be committed.
fn write(database: &Connection, sql: &Sql, commit: &Commit) -> Result<(), Fault> {
    let Some((key, revision)) = revision(database, sql, &commit.id)? else {
        return Err(StoreError::not_found().into());
    };
    if revision != commit.expected_revision {
        return Err(StoreError::conflict().into());
    }
    check_acting(database, sql, commit.acting)?;
    if let Some(next) = &commit.next {
        database.prepare_cached(&sql.update_key)?.execute(params![
            key,
            next.owner(),
            integer(next.revision()),
            next.revocation().is_some(),
            next.to_document(),
        ])?;
        update_secrets(database, sql, key, next.secret_versions())?;
    } else {
        database.prepare_cached(&sql.delete_key)?.execute([key])?;
    }
    audit::write(database, sql, &commit.audit)
}

/// Makes these the secrets of a key. The rows of those that stay are not touched, since they hold
/// the last uses.
fn update_secrets(
    database: &Connection,
    sql: &Sql,
    key: i64,
    secrets: &[SecretVersion],
) -> Result<(), Fault> {
    let mut stored = database.prepare_cached(&sql.secrets)?;
    let stored = stored
        .query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<([u8; KeyDigest::LEN], u32)>, _>>()?;
    let next: Vec<_> = secrets
        .iter()
        .map(|secret| (*secret.digest().as_bytes(), secret.number()))
        .collect();
    for gone in stored.iter().filter(|secret| !next.contains(secret)) {
        let mut delete = database.prepare_cached(&sql.delete_secret)?;
        delete.execute([gone.0])?;
    }
    for (secret, place) in secrets.iter().zip(&next) {
        if !stored.contains(place) {
            add_secret(database, sql, key, secret)?;
        }
    }
    Ok(())
}

fn add_secret(
    database: &Connection,
    sql: &Sql,
    key: i64,
    secret: &SecretVersion,
) -> Result<(), Fault> {
    let inserted = database
        .prepare_cached(&sql.insert_secret)?
        .execute(params![
            key,
            secret.number(),
            secret.digest().as_bytes(),
            secret.last_used_at().map(Timestamp::as_microsecond),
        ])?;
    if inserted == 0 {
        return Err(StoreError::already_exists("digest").into());
    }
    Ok(())
}

fn check_acting(database: &Connection, sql: &Sql, acting: Option<ActingKey>) -> Result<(), Fault> {
    let Some(acting) = acting else {
        return Ok(());
    };
    match revision(database, sql, &acting.id)? {
        Some((_, revision)) if revision == acting.revision => Ok(()),
        _ => Err(StoreError::conflict().into()),
    }
}

/// The row number and the revision of a key.
fn revision(database: &Connection, sql: &Sql, id: &KeyId) -> Result<Option<(i64, u64)>, Fault> {
    let mut statement = database.prepare_cached(&sql.revision)?;
    let found = statement.query_row([id.as_bytes()], |row| {
        Ok((row.get(0)?, rows::count(row, 1)?))
    });
    Ok(found.optional()?)
}
