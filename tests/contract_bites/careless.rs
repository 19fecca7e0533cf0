//! A store that keeps the contract but for one fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::yield_now;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, KeyUpdate, Revocation, SecretVersion};
use tower_api_key::store::{KeyPage, KeyUse, PageRequest, StoreError, StoreErrorKind};
use tower_api_key::{KeyRegistry, KeyStore};

use super::fault::Fault;

pub(crate) struct Careless {
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_id: BTreeMap<KeyId, KeyRecord>,
    by_digest: BTreeMap<[u8; 32], KeyId>,
    deleted: BTreeMap<KeyId, KeyRecord>,
}

type Answer = Result<Arc<KeyRecord>, StoreError>;

impl Careless {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            state: Mutex::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn look_up(&self, digest: &KeyDigest) -> Option<Arc<KeyRecord>> {
        let state = self.state();
        let id = if self.has(Fault::FindsByTheFirstOctets) {
            let mut like = state.by_digest.iter();
            like.find(|(other, _)| other[..16] == digest.as_bytes()[..16])?
                .1
        } else {
            state.by_digest.get(digest.as_bytes())?
        };
        let record = state.by_id.get(id)?;
        let hidden = self.has(Fault::HidesRevokedKeys) && record.revocation().is_some();
        (!hidden).then(|| Arc::new(record.clone()))
    }

    fn exists(&self, digest: &KeyDigest) -> StoreError {
        let message = if self.has(Fault::TellsDigests) {
            format!("duplicate digest {}", hex::encode(digest.as_bytes()))
        } else {
            "it exists".to_owned()
        };
        StoreError::new(StoreErrorKind::AlreadyExists, message)
    }

    fn check(&self, state: &State, record: &KeyRecord) -> Result<(), StoreError> {
        if state.by_id.contains_key(&record.id()) && !self.has(Fault::OverwritesAnId) {
            return Err(StoreError::new(StoreErrorKind::AlreadyExists, "it exists"));
        }
        let digests = record.secret_versions().iter().map(SecretVersion::digest);
        for (index, digest) in digests.clone().enumerate() {
            let twice = digests.clone().take(index).any(|other| other == digest);
            if twice || state.by_digest.contains_key(digest.as_bytes()) {
                return Err(self.exists(digest));
            }
        }
        Ok(())
    }

    fn add(&self, record: KeyRecord) -> Answer {
        let mut state = self.state();
        if let Err(error) = self.check(&state, &record) {
            if self.has(Fault::LeavesADigestOfARefusedKey) {
                for version in record.secret_versions() {
                    let digest = *version.digest().as_bytes();
                    state.by_digest.entry(digest).or_insert(record.id());
                }
            }
            return Err(error);
        }
        let record = match self.fault {
            Fault::TruncatesTimesToSeconds => truncated(&record),
            Fault::TrimsNames => renamed(&record, record.name().trim()),
            _ => record,
        };
        for version in record.secret_versions() {
            state
                .by_digest
                .insert(*version.digest().as_bytes(), record.id());
        }
        state.by_id.insert(record.id(), record.clone());
        Ok(Arc::new(record))
    }

    fn after(
        &self,
        before: &KeyRecord,
        change: &KeyChange,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let revoked = before.revocation().is_some();
        let alive = || before.clone().with_revocation(None);
        let after = match (self.fault, change) {
            (Fault::OverwritesTheReason, KeyChange::Revoke(_)) => change.applied_to(&alive())?,
            (Fault::ChangesRevokedKeys, KeyChange::Disable) if revoked => {
                let after = before.clone().with_disabled(true);
                Some(after)
            }
            (Fault::UpdatesTheEndUnasked, KeyChange::Update(update)) => {
                let end = update.expires_at().flatten();
                let update = update.clone().with_expires_at(end);
                KeyChange::Update(update).applied_to(before)?
            }
            (Fault::ExtendsAnEnd, KeyChange::Rotate { .. }) => {
                let versions = before.secret_versions().iter().cloned();
                let versions = versions.map(|version| version.with_retires_at(None));
                change.applied_to(&before.clone().with_secret_versions(versions))?
            }
            (Fault::DropsSecretsThatWork, KeyChange::Rotate { .. }) => {
                let newest = before.secret_versions().iter().take(7).cloned();
                let fewer = before.clone().with_secret_versions(newest);
                let refused = |_| change.applied_to(&fewer);
                change.applied_to(before).or_else(refused)?
            }
            _ => change.applied_to(before)?,
        };
        let forgets = self.has(Fault::ForgetsUsesByAChange) && *change == KeyChange::Disable;
        Ok(after.map(|after| if forgets { unused(&after) } else { after }))
    }

    fn write(&self, before: &KeyRecord, after: Option<&KeyRecord>) {
        let mut state = self.state();
        let (dropped, deleted) = (
            Fault::LeavesADroppedSecret,
            Fault::LeavesADigestOfADeletedKey,
        );
        let leaves = self.has(if after.is_some() { dropped } else { deleted });
        for version in before.secret_versions() {
            if !leaves {
                state.by_digest.remove(version.digest().as_bytes());
            }
        }
        if let Some(after) = after {
            for version in after.secret_versions() {
                let digest = *version.digest().as_bytes();
                state.by_digest.insert(digest, after.id());
            }
            state.by_id.insert(after.id(), after.clone());
        } else {
            state.by_id.remove(&before.id());
            state.deleted.insert(before.id(), before.clone());
        }
    }

    fn hide(&self, record: &KeyRecord) {
        let mut state = self.state();
        for version in record.secret_versions() {
            state.by_digest.remove(version.digest().as_bytes());
        }
    }

    fn read(&self, id: &KeyId) -> Result<KeyRecord, StoreError> {
        let found = self.state().by_id.get(id).cloned();
        found.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, "no such key"))
    }

    async fn note(&self, one: &KeyUse) -> Result<(), StoreError> {
        let before = match self.read(&one.key()) {
            Ok(before) => before,
            Err(error) if self.has(Fault::FailsAtUnknownUses) => return Err(error),
            Err(_) if self.has(Fault::RevivesByAUse) => {
                let deleted = self.state().deleted.get(&one.key()).cloned();
                return deleted.map_or(Ok(()), |record| self.add(record).map(drop));
            }
            Err(_) => return Ok(()),
        };
        if self.has(Fault::WritesBackByAUse) {
            yield_now().await;
        }
        let newest = before.secret_versions().first().map(SecretVersion::number);
        let (version, before) = match self.fault {
            Fault::MovesTheLastUseBack => (one.secret_version(), unused(&before)),
            Fault::EnablesByAUse => (one.secret_version(), before.with_disabled(false)),
            Fault::NotesUsesOfAnySecret => (newest.unwrap_or(0), before),
            _ => (one.secret_version(), before),
        };
        let after = before.clone().with_use_noted(version, one.last_used_at());
        self.write(&before, Some(&after));
        Ok(())
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
    async fn insert(&self, record: KeyRecord) -> Answer {
        if self.has(Fault::ChecksThenInserts) {
            self.check(&self.state(), &record)?;
            yield_now().await;
            self.write(&record, Some(&record));
            return Ok(Arc::new(record));
        }
        if self.has(Fault::ChecksTheIdThenInserts) {
            self.check(&self.state(), &record)?;
            yield_now().await;
            let known = |one: &&SecretVersion| self.look_up(one.digest()).is_some();
            if let Some(version) = record.secret_versions().iter().find(known) {
                return Err(self.exists(version.digest()));
            }
            self.write(&record, Some(&record));
            return Ok(Arc::new(record));
        }
        self.add(record)
    }

    async fn insert_many(&self, records: Vec<KeyRecord>) -> Vec<Answer> {
        let count = records.len();
        let mut answers: Vec<_> = records.into_iter().map(|record| self.add(record)).collect();
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

    async fn apply(&self, id: &KeyId, change: &KeyChange) -> Answer {
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
        let after = self.after(&before, change)?;
        let late = match change {
            KeyChange::Enable => self.has(Fault::EnablesFromBefore),
            KeyChange::Delete => self.has(Fault::DeletesWhatWasBefore),
            _ => false,
        };
        if late || self.has(Fault::WritesBackByAChange) {
            yield_now().await;
        }
        self.write(&before, after.as_ref());
        if rotates && self.has(Fault::ForgetsTheOldSecret) {
            self.hide(&before);
        }
        Ok(Arc::new(after.unwrap_or(before)))
    }

    async fn record_usage(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        let many = uses.len() > 1 && self.has(Fault::NotesOneUseOfABatch);
        let uses = if many { &uses[..1] } else { uses };
        for one in uses {
            self.note(one).await?;
        }
        Ok(())
    }
}

fn truncated(record: &KeyRecord) -> KeyRecord {
    let second = |time: Timestamp| Timestamp::from_second(time.as_second()).unwrap();
    let versions = record.secret_versions().iter().map(|version| {
        let created_at = second(version.created_at());
        SecretVersion::new(
            version.number(),
            *version.digest(),
            version.prefix(),
            created_at,
        )
        .with_retires_at(version.retires_at().map(second))
        .with_last_used_at(version.last_used_at().map(second))
    });
    KeyRecord::new(
        record.id(),
        record.owner(),
        record.name(),
        second(record.created_at()),
    )
    .with_scopes(record.scopes().clone())
    .with_expires_at(record.expires_at().map(second))
    .with_disabled(record.is_disabled())
    .with_revocation(
        record
            .revocation()
            .map(|one| Revocation::new(second(one.at()), one.reason())),
    )
    .with_secret_versions(versions)
}

fn renamed(record: &KeyRecord, name: &str) -> KeyRecord {
    let update = KeyChange::Update(KeyUpdate::new().with_name(name));
    let renamed = update.applied_to(&record.clone().with_revocation(None));
    let renamed = renamed.unwrap().unwrap();
    renamed.with_revocation(record.revocation().cloned())
}

fn unused(record: &KeyRecord) -> KeyRecord {
    let versions = record.secret_versions().iter().cloned();
    let versions = versions.map(|version| version.with_last_used_at(None));
    record.clone().with_secret_versions(versions)
}
