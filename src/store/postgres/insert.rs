//! Adds keys, one or many.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row;

use super::columns::{Keys, Secrets};
use super::database::Database;
use super::fault::Fault;
use super::payload::MOST_IDS;
use super::rows;
use super::sql::Query;
use super::written::Written;
use crate::record::action::AuditAction;
use crate::record::audit::AuditEntry;
use crate::record::change::ChangeRefused;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::{StoreError, StoreErrorKind};

type Answer = Result<Arc<KeyRecord>, StoreError>;

/// How often an insert with conditions is made anew because another process was faster.
const ATTEMPTS: usize = 64;

impl Database {
    /// Adds a key, unless an earlier insert had the context's idempotency key.
    pub(super) async fn insert(
        &self,
        record: KeyRecord,
        context: &ChangeContext,
    ) -> Result<Written, StoreError> {
        let record = Arc::new(record);
        if !has_conditions(context) {
            return self.insert_one(record, context).await.map(Written::Record);
        }
        self.within(async {
            // Not every insert waits for the others of its owner: only those that are counted.
            let _turn = match context.max_keys_of_owner() {
                Some(_) => Some(self.turn(record.owner().as_bytes()).await),
                None => None,
            };
            let mut refusals = 0;
            for _ in 0..ATTEMPTS {
                match self.try_to_insert(&record, context).await {
                    Ok(None) => {}
                    Ok(Some(written)) => return Ok(written),
                    // That of an insert with the same idempotency key, which was not seen yet?
                    Err(error) if error.kind() == StoreErrorKind::AlreadyExists => {
                        refusals += 1;
                        if refusals == 2 || context.idempotency_key().is_none() {
                            return Err(error);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            let message = format!("others added keys {ATTEMPTS} times meanwhile");
            Err(StoreError::new(StoreErrorKind::Overloaded, message))
        })
        .await
    }

    /// Adds many keys, a batch in each statement; each batch has the deadline of a call.
    pub(super) async fn insert_many(
        &self,
        records: Vec<KeyRecord>,
        context: &ChangeContext,
    ) -> Vec<Answer> {
        let context = context.for_many();
        let mut answers = Vec::with_capacity(records.len());
        for batch in batches(records) {
            answers.extend(self.insert_batch(batch, &context).await);
        }
        answers
    }

    /// `None` when somebody else was faster.
    async fn try_to_insert(
        &self,
        record: &Arc<KeyRecord>,
        context: &ChangeContext,
    ) -> Result<Option<Written>, StoreError> {
        let standing = self.standing(record.owner(), context).await?;
        if let Some(id) = standing.earlier {
            let found = self.read(Query::Get, &[&id]).await?;
            // It may have been deleted meanwhile.
            return Ok(rows::record(&found)?.map(Written::Nothing));
        }
        let max = context.max_keys_of_owner();
        if max.is_some_and(|max| standing.keys >= max) {
            return Err(ChangeRefused::TooManyKeys.into());
        }
        let turn = max.map(|_| (bucket(record.owner()), standing.turn));
        let sent = self.send(std::slice::from_ref(record), context, turn).await;
        match sent {
            Ok(added) if added.is_late => Ok(None),
            Ok(added) => added.answer(record.clone()).map(Written::Record).map(Some),
            Err(fault) if fault.is_unique_violation() && !self.is_of_a_digest(&fault) => Ok(None),
            Err(fault) => Err(self.refusal(fault)),
        }
    }

    async fn standing(&self, owner: &str, context: &ChangeContext) -> Result<Standing, StoreError> {
        let idempotency_key = context.idempotency_key().map(|key| &key[..]);
        let max = context.max_keys_of_owner().unwrap_or(0);
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let found = self
            .read(
                Query::Standing,
                &[&idempotency_key, &owner, &max, &bucket(owner)],
            )
            .await?;
        let standing = found.first().map(Standing::read).transpose();
        let standing = standing.map_err(|fault| fault.into_store_error(self.address()))?;
        Ok(standing.unwrap_or_default())
    }

    async fn insert_one(&self, record: Arc<KeyRecord>, context: &ChangeContext) -> Answer {
        let sent = async {
            let sent = self.send(std::slice::from_ref(&record), context, None);
            sent.await.map_err(|fault| self.refusal(fault))
        };
        self.within(sent).await?.answer(record)
    }

    async fn insert_batch(
        &self,
        batch: Vec<Arc<KeyRecord>>,
        context: &ChangeContext,
    ) -> Vec<Answer> {
        let mut of_a_record = false;
        let sent = async {
            self.send(&batch, context, None).await.map_err(|fault| {
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
                    answers.push(self.insert_one(record, context).await);
                }
                answers
            }
            Err(error) => vec![Err(error); batch.len()],
        }
    }

    async fn send(
        &self,
        batch: &[Arc<KeyRecord>],
        context: &ChangeContext,
        turn: Option<(i32, i64)>,
    ) -> Result<Outcomes, Fault> {
        let (keys, secrets) = (Keys::of(batch), Secrets::of(batch));
        let entries = batch.iter().map(|one| AuditEntry::of_insert(one, context));
        let entries: Vec<_> = entries.collect();
        let details: Vec<_> = entries.iter().map(AuditEntry::detail).collect();
        let idempotency_key = context.idempotency_key().map(|key| &key[..]);
        let (bucket, number) = turn.unzip();
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
                    &keys.metadata,
                    &keys.changes,
                    &details,
                    &secrets.key_ids,
                    &secrets.numbers,
                    &secrets.digests,
                    &secrets.prefixes,
                    &secrets.created_at,
                    &secrets.retires_at,
                    &secrets.last_used_at,
                    &context.at().as_microsecond(),
                    &AuditAction::Issued.as_str(),
                    &context.actor(),
                    &context.reason(),
                    &bucket,
                    &number,
                    &idempotency_key,
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

    /// Whether a digest is what must be unique, and not an idempotency key.
    fn is_of_a_digest(&self, fault: &Fault) -> bool {
        fault.table() == Some(&self.sql().name("secrets"))
    }
}

/// Whether something must hold for a key to be added.
fn has_conditions(context: &ChangeContext) -> bool {
    context.max_keys_of_owner().is_some() || context.idempotency_key().is_some()
}

/// The bucket of an owner among the counters of inserts. Owners who share one only wait for each
/// other.
fn bucket(owner: &str) -> i32 {
    let [first, second, ..] = crc32fast::hash(owner.as_bytes()).to_be_bytes();
    u16::from_be_bytes([first, second]).into()
}

/// What an insert with conditions goes by.
#[derive(Default)]
struct Standing {
    /// The key that an earlier insert with the idempotency key has added.
    earlier: Option<Vec<u8>>,
    keys: u64,
    /// The number of the last insert that minded a limit.
    turn: i64,
}

impl Standing {
    fn read(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            earlier: row.try_get(0)?,
            keys: row.try_get::<_, i64>(1)?.unsigned_abs(),
            turn: row.try_get(2)?,
        })
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
struct Outcomes {
    by_id: HashMap<KeyId, Outcome>,
    /// Whether somebody else was faster, and nothing was added.
    is_late: bool,
}

#[derive(Clone, Copy)]
enum Outcome {
    Added,
    IdExists,
    DigestExists,
}

impl Outcomes {
    fn read(rows: &[Row]) -> Result<Self, Fault> {
        let mut by_id = HashMap::with_capacity(rows.len());
        let mut is_late = false;
        for row in rows {
            let outcome = match (row.try_get(1)?, row.try_get(2)?) {
                (true, _) => Outcome::Added,
                (false, true) => Outcome::DigestExists,
                (false, false) => Outcome::IdExists,
            };
            if let Ok(id) = row.try_get::<_, &[u8]>(0)?.try_into() {
                by_id.insert(KeyId::from_bytes(id), outcome);
            }
            is_late |= row.try_get::<_, bool>(3)?;
        }
        Ok(Self { by_id, is_late })
    }

    fn answer(&self, record: Arc<KeyRecord>) -> Answer {
        match self.by_id.get(&record.id()) {
            Some(Outcome::Added) => Ok(record),
            Some(Outcome::DigestExists) => Err(already_exists("digest")),
            Some(Outcome::IdExists) | None => Err(already_exists("id")),
        }
    }
}
