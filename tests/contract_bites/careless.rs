//! A store that keeps the contract but for one fault.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::task::yield_now;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, Commit, Insert, Inserted, KeyFilter, KeyPage, KeyUse,
    PageRequest, StoreError, StoreErrorKind, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::{KeyRegistry, KeyStore, MemoryStore};

/// What a careless store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    InventsUnknownKeys,
    TruncatesTimesToSeconds,
    LosesRecipients,
    HidesRevokedKeys,
    FindsNothingAtOnce,
    ShowsDigests,
    AddsAllOrNothing,
    IgnoresTheRevision,
    ChecksTheRevisionThenWrites,
    FailsAtUnknownUsage,
    IgnoresTheActingKey,
    IgnoresAMissingActingKey,
    ChecksTheActingKeyThenWrites,
    IgnoresTheLimit,
    CountsRevokedKeys,
    ChecksTheLimitThenInserts,
    IgnoresTheIdempotencyKey,
    SharesIdempotencyKeys,
    ListsOldestFirst,
    NeedsTheCursorsKey,
    IgnoresTheFilter,
    LosesTheActor,
    LosesTheDetail,
    PrunesEntriesOfTheTime,
    LosesScopes,
    CountsABatchAgain,
    CountsTheEndOfARange,
    PrunesTheHour,
}

pub(crate) struct Careless {
    fault: Fault,
    inner: MemoryStore,
    by_idempotency_key: Mutex<BTreeMap<[u8; 32], KeyId>>,
    writers: AtomicU64,
}

impl Careless {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            inner: MemoryStore::new(),
            by_idempotency_key: Mutex::default(),
            writers: AtomicU64::new(0),
        }
    }

    async fn all_of(&self, owner: &str) -> Vec<Arc<KeyRecord>> {
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        let mut all = Vec::new();
        loop {
            let part = self.inner.list(owner, &page).await.unwrap();
            all.extend_from_slice(part.keys());
            match part.next() {
                Some(next) => page = page.after(next),
                None => return all,
            }
        }
    }

    /// Fails if the owner has too many keys.
    async fn check_limit(&self, insert: &Insert) -> Result<(), StoreError> {
        let Some(max) = insert.max_keys_per_owner else {
            return Ok(());
        };
        let revoked_too = self.fault == Fault::CountsRevokedKeys;
        let all = self.all_of(insert.record.owner()).await;
        let counted = all
            .iter()
            .filter(|key| revoked_too || key.revocation().is_none());
        if counted.count() as u64 >= max {
            return Err(StoreError::too_many_keys(max));
        }
        Ok(())
    }
}

#[async_trait]
impl KeyStore for Careless {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let found = self.inner.find(digest).await?;
        Ok(match self.fault {
            Fault::InventsUnknownKeys if found.is_none() => {
                self.all_of("acct_42").await.first().cloned()
            }
            Fault::HidesRevokedKeys => found.filter(|key| key.revocation().is_none()),
            _ => found,
        })
    }

    fn try_find(&self, _: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        (self.fault == Fault::FindsNothingAtOnce).then_some(Ok(None))
    }
}

#[async_trait]
impl KeyRegistry for Careless {
    async fn insert(&self, mut insert: Insert) -> Result<Inserted, StoreError> {
        match self.fault {
            Fault::TruncatesTimesToSeconds => insert.record = truncated(&insert.record),
            Fault::LosesRecipients => {
                let lost = |version: SecretVersion| version.with_recipient(None);
                insert.record = with_versions(&insert.record, lost);
            }
            Fault::IgnoresTheActingKey => insert.acting = None,
            Fault::IgnoresAMissingActingKey => {
                if let Some(acting) = insert.acting
                    && self.inner.get(&acting.id).await?.is_none()
                {
                    insert.acting = None;
                }
            }
            Fault::IgnoresTheLimit => insert.max_keys_per_owner = None,
            Fault::CountsRevokedKeys => self.check_limit(&insert).await?,
            Fault::ChecksTheLimitThenInserts if insert.idempotency_key.is_none() => {
                self.check_limit(&insert).await?;
                yield_now().await;
                insert.max_keys_per_owner = None;
            }
            Fault::IgnoresTheIdempotencyKey => insert.idempotency_key = None,
            Fault::SharesIdempotencyKeys => {
                let known = self.by_idempotency_key.lock().unwrap().clone();
                let key = insert.idempotency_key;
                if let Some(id) = key.and_then(|key| known.get(&key).copied())
                    && let Some(record) = self.inner.get(&id).await?
                {
                    return Ok(Inserted::Existing(record));
                }
            }
            Fault::LosesTheActor => insert.audit = insert.audit.with_actor("someone"),
            Fault::LosesTheDetail => insert.audit = insert.audit.with_detail("{}"),
            _ => {}
        }
        let (key, id) = (insert.idempotency_key, insert.record.id());
        let digest = insert.record.secret_versions().first();
        let digest = digest.map(|version| hex::encode(version.digest().as_bytes()));
        let answer = self.inner.insert(insert).await;
        if let (Ok(Inserted::Created), Some(key)) = (&answer, key) {
            self.by_idempotency_key.lock().unwrap().insert(key, id);
        }
        match answer {
            Err(error) if self.fault == Fault::ShowsDigests => {
                let message = format!("{error}: {}", digest.unwrap_or_default());
                Err(StoreError::new(error.kind(), message))
            }
            answer => answer,
        }
    }

    async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
        let answers = self.inner.insert_many(inserts).await;
        if self.fault == Fault::AddsAllOrNothing && answers.iter().any(Result::is_err) {
            let failed = |_| Err(StoreError::already_exists("id"));
            return answers.into_iter().map(failed).collect();
        }
        answers
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        match self.fault {
            Fault::ListsOldestFirst => {
                let mut all = self.all_of(owner).await;
                all.reverse();
                let cursor = page.cursor();
                all.retain(|key| cursor.is_none_or(|cursor| key.id() > cursor));
                Ok(KeyPage::new(page, all))
            }
            Fault::NeedsTheCursorsKey => {
                if let Some(cursor) = page.cursor()
                    && self.inner.get(&cursor).await?.is_none()
                {
                    return Ok(KeyPage::default());
                }
                self.inner.list(owner, page).await
            }
            Fault::IgnoresTheFilter => {
                let page = page.clone().with_filter(KeyFilter::new());
                self.inner.list(owner, &page).await
            }
            _ => self.inner.list(owner, page).await,
        }
    }

    async fn commit(&self, mut commit: Commit) -> Result<(), StoreError> {
        let stored = self.inner.get(&commit.id).await?;
        match (self.fault, stored) {
            (Fault::IgnoresTheRevision, Some(stored)) => {
                commit.expected_revision = stored.revision();
            }
            (Fault::ChecksTheRevisionThenWrites, Some(stored)) => {
                if stored.revision() != commit.expected_revision {
                    return Err(StoreError::conflict());
                }
                yield_now().await;
                let now = self.inner.get(&commit.id).await?;
                commit.expected_revision = now.map_or(0, |now| now.revision());
            }
            (Fault::IgnoresTheActingKey, _) => commit.acting = None,
            (Fault::IgnoresAMissingActingKey, _) => {
                if let Some(acting) = commit.acting
                    && self.inner.get(&acting.id).await?.is_none()
                {
                    commit.acting = None;
                }
            }
            (Fault::ChecksTheActingKeyThenWrites, _) => {
                if let Some(acting) = commit.acting.take() {
                    let found = self.inner.get(&acting.id).await?;
                    if found.is_none_or(|found| found.revision() != acting.revision) {
                        return Err(StoreError::conflict());
                    }
                    yield_now().await;
                }
            }
            (Fault::LosesTheDetail, _) => commit.audit = commit.audit.with_detail("{}"),
            _ => {}
        }
        self.inner.commit(commit).await
    }
}

#[async_trait]
impl AuditLog for Careless {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.inner.audit(owner, page).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let late = self.fault == Fault::PrunesEntriesOfTheTime;
        self.inner.prune_audit_before(after(at, late)).await
    }
}

#[async_trait]
impl UsageStore for Careless {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        match self.fault {
            Fault::FailsAtUnknownUsage => {
                for one in batch.uses() {
                    if self.inner.get(&one.key()).await?.is_none() {
                        let message = "no key has this id";
                        return Err(StoreError::new(StoreErrorKind::Corrupt, message));
                    }
                }
            }
            Fault::LosesScopes => {
                let lost = |one: &KeyUse| {
                    KeyUse::new(one.key(), one.secret_version(), one.last_used_at())
                        .with_allowed(one.allowed())
                        .with_refused(one.refused())
                };
                let uses = batch.uses().iter().map(lost);
                let batch = UsageBatch::new(*batch.writer(), batch.sequence(), uses);
                return self.inner.record_usage(&batch).await;
            }
            Fault::CountsABatchAgain => {
                let mut writer = [0xee; 16];
                let number = self.writers.fetch_add(1, Ordering::Relaxed);
                writer[..8].copy_from_slice(&number.to_be_bytes());
                let batch = UsageBatch::new(writer, 1, batch.uses().iter().cloned());
                return self.inner.record_usage(&batch).await;
            }
            _ => {}
        }
        self.inner.record_usage(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let late = self.fault == Fault::CountsTheEndOfARange;
        let hours = hours.start..after(hours.end, late);
        self.inner.usage(id, hours).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let late = self.fault == Fault::PrunesTheHour;
        self.inner.prune_usage_before(after(hour, late)).await
    }
}

/// A microsecond later, if it is late.
fn after(time: Timestamp, late: bool) -> Timestamp {
    let microsecond = SignedDuration::from_micros(i64::from(late));
    time.checked_add(microsecond).unwrap_or(time)
}

fn truncated(record: &KeyRecord) -> Arc<KeyRecord> {
    let second = |time: Timestamp| Timestamp::from_second(time.as_second()).unwrap();
    let record = record
        .clone()
        .with_expires_at(record.expires_at().map(second));
    Arc::new(record)
}

fn with_versions(
    record: &KeyRecord,
    change: impl Fn(SecretVersion) -> SecretVersion,
) -> Arc<KeyRecord> {
    let versions = record.secret_versions().iter().cloned().map(change);
    Arc::new(record.clone().with_secret_versions(versions))
}
