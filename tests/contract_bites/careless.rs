//! A store that keeps the contract but for one fault.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::yield_now;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{AuditEntry, ChangeContext, KeyChange, KeyId, KeyRecord};
use tower_api_key::store::{
    AuditPage, AuditPageRequest, KeyPage, PageRequest, ScopeUse, StoreError, StoreErrorKind,
    UsageBatch, UsageBucket,
};
use tower_api_key::{KeyRegistry, KeyStore};

use super::altered::renamed;
use super::books::Books;
use super::exercised::Exercised;
use super::fault::Fault;

pub(crate) struct Careless {
    pub(super) fault: Fault,
    state: Mutex<State>,
    pub(super) books: Books,
    pub(super) exercised: Exercised,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) by_id: BTreeMap<KeyId, KeyRecord>,
    pub(super) by_digest: BTreeMap<[u8; 32], KeyId>,
    pub(super) deleted: BTreeMap<KeyId, KeyRecord>,
}

pub(super) type Answer = Result<Arc<KeyRecord>, StoreError>;

impl Careless {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            state: Mutex::default(),
            books: Books::new(fault),
            exercised: Exercised::new(fault),
        }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

#[async_trait]
impl KeyStore for Careless {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let found = self.look_up(digest);
        if found.is_none() && self.has(Fault::InventsUnknownKeys) {
            return Ok(self.state().by_id.values().next().cloned().map(Arc::new));
        }
        Ok(found)
    }

    fn find_now(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        let found = self.look_up(digest)?;
        let stale = self.has(Fault::FindsNowWhatWasBefore);
        stale.then(|| Ok(Some(Arc::new(renamed(&found, "CI")))))
    }
}

#[async_trait]
impl KeyRegistry for Careless {
    async fn insert(&self, record: KeyRecord, context: &ChangeContext) -> Answer {
        let refused_too = self.has(Fault::KeepsTheIdempotencyKeyOfARefusedKey);
        if let Some(earlier) = self.books.issued(context) {
            let given = self.has(Fault::AnswersWithTheKeyThatWasSent);
            return if given {
                Ok(Arc::new(record))
            } else {
                self.read(&earlier).map(Arc::new)
            };
        }
        if context.idempotency_key().is_some()
            && self.has(Fault::ChecksTheIdempotencyKeyThenInserts)
        {
            yield_now().await;
        }
        if refused_too {
            self.books.remember(record.id(), context);
        }
        self.check_limit(&record, context).await?;
        let inserted = self.put(record).await?;
        self.books.remember(inserted.id(), context);
        self.books.write(&AuditEntry::of_insert(&inserted, context));
        Ok(inserted)
    }

    async fn insert_many(&self, records: Vec<KeyRecord>, context: &ChangeContext) -> Vec<Answer> {
        if self.has(Fault::MindsConditionsOfOneKey) {
            let mut answers = Vec::new();
            for record in records {
                answers.push(self.insert(record, context).await);
            }
            return answers;
        }
        let count = records.len();
        let mut answers: Vec<_> = records.into_iter().map(|record| self.add(record)).collect();
        let entries = answers.iter().flatten();
        let entries = entries.map(|record| AuditEntry::of_insert(record, context));
        let most = if self.has(Fault::WritesOneEntryOfMany) {
            1
        } else {
            usize::MAX
        };
        entries
            .take(most)
            .for_each(|entry| self.books.write(&entry));
        if self.has(Fault::AnswersManyInAnotherOrder) {
            answers.reverse();
        }
        if self.has(Fault::AddsAllOrNothing) && answers.iter().any(Result::is_err) {
            let failed = |_| Err(StoreError::new(StoreErrorKind::AlreadyExists, "one exists"));
            answers = (0..count).map(failed).collect();
        }
        if self.has(Fault::AddsAThousandAtMost) {
            answers.truncate(1_000);
        }
        answers
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.state().by_id.get(id).cloned().map(Arc::new))
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let state = self.state();
        if let Some(cursor) = page
            .cursor()
            .filter(|_| self.has(Fault::NeedsTheCursorsKey))
            && !state.by_id.contains_key(&cursor)
        {
            return Ok(KeyPage::default());
        }
        let caseless = self.has(Fault::ListsWithoutCase);
        let own = |record: &&KeyRecord| {
            record.owner() == owner || caseless && record.owner().eq_ignore_ascii_case(owner)
        };
        let following = |record: &&KeyRecord| page.cursor().is_none_or(|one| record.id() > one);
        let records = state.by_id.values().filter(own).filter(following);
        let mut keys: Vec<_> = records.cloned().map(Arc::new).collect();
        if self.has(Fault::ListsInAnotherOrder) {
            // As signed octets.
            keys.sort_by_key(|record| record.id().as_bytes().map(u8::cast_signed));
        }
        if self.has(Fault::AlwaysHasANextPage) && keys.len() == page.limit() {
            keys.extend(keys.last().cloned());
        }
        Ok(KeyPage::new(page, keys))
    }

    async fn apply(&self, id: &KeyId, change: &KeyChange, context: &ChangeContext) -> Answer {
        let rotates = matches!(change, KeyChange::Rotate { .. });
        if rotates && self.has(Fault::HidesSecretsWhileRotating) {
            self.hide(&self.read(id)?);
            yield_now().await;
            let now = self.read(id)?;
            self.write(&now, Some(&now));
        }
        let before = self.read(id)?;
        if let KeyChange::Rotate { digest, .. } = change
            && self.state().by_digest.contains_key(digest.as_bytes())
            && !(self.has(Fault::RotatesToAKnownDigest) && before.secret_version(digest).is_some())
        {
            return Err(self.exists(digest));
        }
        self.check_revision(&before, context)?;
        let after = match self.after(&before, change) {
            Err(error) if self.has(Fault::WritesEntriesOfRefusedChanges) => {
                let gone = AuditEntry::of_change(change, &before, None, context);
                if let Some(entry) = &gone {
                    self.books.write(entry);
                }
                return Err(error);
            }
            after => after?,
        };
        let entry = AuditEntry::of_change(change, &before, after.as_ref(), context);
        let entry = match entry {
            None if self.has(Fault::WritesEntriesOfNoChange) => {
                AuditEntry::of_change(change, &before, None, context)
            }
            entry => entry,
        };
        let after = after.map(|after| {
            let more = u32::from(self.has(Fault::RaisesTheRevisionAnyway) && after == before);
            let changes = after.changes() + more;
            after.with_changes(changes)
        });
        let late = match change {
            KeyChange::Enable => self.has(Fault::EnablesFromBefore),
            KeyChange::Delete => self.has(Fault::DeletesWhatWasBefore),
            _ => false,
        };
        if late || self.has(Fault::WritesBackByAChange) {
            yield_now().await;
        }
        if self.has(Fault::ChecksTheRevisionThenWrites) && context.expected_revision().is_some() {
            yield_now().await;
        }
        self.write(&before, after.as_ref());
        if let Some(entry) = &entry {
            self.books.write(entry);
        }
        if after.is_none() {
            self.books.delete(id);
        }
        self.exercised.change(&before, after.as_ref());
        if rotates && self.has(Fault::ForgetsTheOldSecret) {
            self.hide(&before);
        }
        Ok(Arc::new(after.unwrap_or(before)))
    }

    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        Ok(self.books.read(owner, page))
    }

    async fn forget_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        Ok(self.books.forget_trail(at))
    }

    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let late = self.has(Fault::CountsThenNotesTheBatch);
        if !self.books.is_new(batch) {
            if self.has(Fault::ExercisesABatchAgain) {
                batch.uses().iter().for_each(|one| self.exercised.note(one));
            }
            return Ok(());
        }
        if late {
            yield_now().await;
        } else {
            self.books.note(batch);
        }
        let many = batch.uses().len() > 1 && self.has(Fault::NotesOneUseOfABatch);
        let uses = if many {
            &batch.uses()[..1]
        } else {
            batch.uses()
        };
        for one in uses {
            self.note(one).await?;
        }
        if late {
            self.books.note(batch);
        }
        Ok(())
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        Ok(self.books.sums(id, &hours))
    }

    async fn scope_uses(&self, id: &KeyId) -> Result<Vec<ScopeUse>, StoreError> {
        Ok(self.exercised.read(id))
    }

    async fn forget_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.exercised.forget_sums();
        Ok(self.books.forget_sums(hour))
    }
}
