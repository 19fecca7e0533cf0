//! Adds keys, one or many.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row;

use super::columns::{Keys, Secrets};
use super::database::Database;
use super::fault::Fault;
use super::payload::MOST_IDS;
use super::sql::Query;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::{StoreError, StoreErrorKind};

type Answer = Result<Arc<KeyRecord>, StoreError>;

impl Database {
    /// Adds a key.
    pub(super) async fn insert(&self, record: KeyRecord) -> Answer {
        self.insert_one(Arc::new(record)).await
    }

    /// Adds many keys, a batch in each statement; each batch has the deadline of a call.
    pub(super) async fn insert_many(&self, records: Vec<KeyRecord>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(records.len());
        for batch in batches(records) {
            answers.extend(self.insert_batch(batch).await);
        }
        answers
    }

    async fn insert_one(&self, record: Arc<KeyRecord>) -> Answer {
        let sent = async {
            let sent = self.send(std::slice::from_ref(&record)).await;
            sent.map_err(|fault| self.refusal(fault))
        };
        self.within(sent).await?.answer(record)
    }

    async fn insert_batch(&self, batch: Vec<Arc<KeyRecord>>) -> Vec<Answer> {
        let mut of_a_record = false;
        let sent = async {
            self.send(&batch).await.map_err(|fault| {
                of_a_record = fault.is_of_the_record();
                self.refusal(fault)
            })
        };
        match self.within(sent).await {
            Ok(added) => batch.into_iter().map(|one| added.answer(one)).collect(),
            // The fault of one record is none of the others.
            Err(_) if of_a_record => {
                let mut answers = Vec::with_capacity(batch.len());
                for record in batch {
                    answers.push(self.insert_one(record).await);
                }
                answers
            }
            Err(error) => vec![Err(error); batch.len()],
        }
    }

    async fn send(&self, batch: &[Arc<KeyRecord>]) -> Result<Outcomes, Fault> {
        let (keys, secrets) = (Keys::of(batch), Secrets::of(batch));
        let rows = self
            .write(
                Query::Insert,
                &[
                    &keys.ids,
                    &keys.owners,
                    &keys.names,
                    &keys.scopes,
                    &keys.created_at,
                    &keys.expires_at,
                    &keys.disabled,
                    &keys.revoked_at,
                    &keys.reasons,
                    &secrets.key_ids,
                    &secrets.numbers,
                    &secrets.digests,
                    &secrets.prefixes,
                    &secrets.created_at,
                    &secrets.retires_at,
                    &secrets.last_used_at,
                ],
            )
            .await?;
        Outcomes::read(&rows)
    }

    fn refusal(&self, fault: Fault) -> StoreError {
        if fault.is_unique_violation() {
            return already_exists("digest");
        }
        fault.into_store_error(self.address())
    }
}

/// A new key has an id or digest that the store knows.
pub(super) fn already_exists(what: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::AlreadyExists,
        format!("expected a new key, found its {what} in the store"),
    )
}

/// Cuts records into batches in which no two share an id or digest, so that a record is refused
/// for another only if that one was added.
fn batches(records: Vec<KeyRecord>) -> Vec<Vec<Arc<KeyRecord>>> {
    let mut batches: Vec<Vec<Arc<KeyRecord>>> = Vec::new();
    let (mut ids, mut digests) = (HashSet::new(), HashSet::new());
    for record in records {
        let versions = record.secret_versions();
        let shares =
            ids.contains(&record.id()) || versions.iter().any(|one| digests.contains(one.digest()));
        if shares || batches.last().is_none_or(|batch| batch.len() == MOST_IDS) {
            batches.push(Vec::new());
            ids.clear();
            digests.clear();
        }
        ids.insert(record.id());
        digests.extend(versions.iter().map(|one| *one.digest()));
        // OK because the first record has pushed a batch.
        if let Some(batch) = batches.last_mut() {
            batch.push(Arc::new(record));
        }
    }
    batches
}

/// What became of each key of a batch.
struct Outcomes(HashMap<KeyId, Outcome>);

#[derive(Clone, Copy)]
enum Outcome {
    Added,
    IdExists,
    DigestExists,
}

impl Outcomes {
    fn read(rows: &[Row]) -> Result<Self, Fault> {
        let mut outcomes = HashMap::with_capacity(rows.len());
        for row in rows {
            let outcome = match (row.try_get(1)?, row.try_get(2)?) {
                (true, _) => Outcome::Added,
                (false, true) => Outcome::DigestExists,
                (false, false) => Outcome::IdExists,
            };
            if let Ok(id) = row.try_get::<_, &[u8]>(0)?.try_into() {
                outcomes.insert(KeyId::from_bytes(id), outcome);
            }
        }
        Ok(Self(outcomes))
    }

    fn answer(&self, record: Arc<KeyRecord>) -> Answer {
        match self.0.get(&record.id()) {
            Some(Outcome::Added) => Ok(record),
            Some(Outcome::DigestExists) => Err(already_exists("digest")),
            Some(Outcome::IdExists) | None => Err(already_exists("id")),
        }
    }
}
