//! How a careless store keeps records.

use std::sync::Arc;

use tokio::task::yield_now;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{
    ChangeContext, ChangeRefused, KeyChange, KeyId, KeyRecord, Metadata, SecretVersion,
};
use tower_api_key::store::{KeyUse, StoreError, StoreErrorKind};

use super::altered::{renamed, truncated, unused};
use super::careless::{Answer, Careless, State};
use super::fault::Fault;

impl Careless {
    pub(super) fn look_up(&self, digest: &KeyDigest) -> Option<Arc<KeyRecord>> {
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

    pub(super) fn exists(&self, digest: &KeyDigest) -> StoreError {
        let message = if self.has(Fault::TellsDigests) {
            format!("duplicate digest {}", hex::encode(digest.as_bytes()))
        } else {
            "it exists".to_owned()
        };
        StoreError::new(StoreErrorKind::AlreadyExists, message)
    }

    pub(super) fn check(&self, state: &State, record: &KeyRecord) -> Result<(), StoreError> {
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

    pub(super) fn add(&self, record: KeyRecord) -> Answer {
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
            Fault::LosesMetadata => record.with_metadata(Metadata::new()),
            Fault::LosesChanges => record.with_changes(0),
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

    pub(super) fn after(
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

    pub(super) fn write(&self, before: &KeyRecord, after: Option<&KeyRecord>) {
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

    pub(super) fn hide(&self, record: &KeyRecord) {
        let mut state = self.state();
        for version in record.secret_versions() {
            state.by_digest.remove(version.digest().as_bytes());
        }
    }

    pub(super) async fn put(&self, record: KeyRecord) -> Answer {
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

    pub(super) async fn check_limit(
        &self,
        record: &KeyRecord,
        context: &ChangeContext,
    ) -> Result<(), StoreError> {
        let Some(max) = context.max_keys_of_owner() else {
            return Ok(());
        };
        let all = self.has(Fault::CountsRevokedKeys);
        let count = {
            let state = self.state();
            let anyones = self.has(Fault::CountsKeysOfEveryOwner);
            let own = |one: &&KeyRecord| anyones || one.owner() == record.owner();
            let live = |one: &&KeyRecord| {
                let expired = self.has(Fault::CountsNoExpiredKeys) && one.expires_at().is_some();
                (all || one.revocation().is_none()) && !expired
            };
            state.by_id.values().filter(own).filter(live).count() as u64
        };
        if self.has(Fault::ChecksTheLimitThenInserts) {
            yield_now().await;
        }
        if count >= max && !self.has(Fault::AddsAnyNumberOfKeys) {
            return Err(ChangeRefused::TooManyKeys.into());
        }
        Ok(())
    }

    pub(super) fn check_revision(
        &self,
        before: &KeyRecord,
        context: &ChangeContext,
    ) -> Result<(), StoreError> {
        match context.expected_revision() {
            Some(expected)
                if expected != before.revision() && !self.has(Fault::ChangesAnyRevision) =>
            {
                let kind = StoreErrorKind::RevisionMismatch;
                Err(StoreError::new(kind, "another revision"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn read(&self, id: &KeyId) -> Result<KeyRecord, StoreError> {
        let found = self.state().by_id.get(id).cloned();
        found.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, "no such key"))
    }

    pub(super) async fn note(&self, one: &KeyUse) -> Result<(), StoreError> {
        let before = match self.read(&one.key()) {
            Ok(before) => before,
            Err(error) if self.has(Fault::FailsAtUnknownUses) => return Err(error),
            Err(_) if self.has(Fault::RevivesByAUse) => {
                let deleted = self.state().deleted.get(&one.key()).cloned();
                return deleted.map_or(Ok(()), |record| self.add(record).map(drop));
            }
            Err(_) => {
                if self.has(Fault::CountsUnknownKeys) {
                    self.books.count(one);
                }
                if self.has(Fault::ExercisesUnknownKeys) {
                    self.exercised.note(one);
                }
                return Ok(());
            }
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
        let mut versions = before.secret_versions().iter();
        let exists = versions.any(|known| known.number() == version);
        if exists || self.has(Fault::CountsAnyVersion) {
            self.books.count(one);
        }
        if self.has(Fault::WritesScopesBack) {
            let hours = self.exercised.hours(&one.key());
            yield_now().await;
            self.exercised.write_back(one.key(), hours);
        }
        if exists || self.has(Fault::ExercisesAnyVersion) {
            self.exercised.note(one);
        }
        let after = before.clone().with_use_noted(version, one.last_used_at());
        self.write(&before, Some(&after));
        Ok(())
    }
}
