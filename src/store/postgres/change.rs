//! Changes keys.

use std::sync::Arc;

use super::columns::{Keys, Secrets};
use super::database::Database;
use super::fault::Fault;
use super::insert::already_exists;
use super::payload;
use super::rows;
use super::sql::Query;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::{StoreError, StoreErrorKind};

/// How often a change is made anew because another process changed the same key meanwhile.
const ATTEMPTS: usize = 64;

impl Database {
    /// Changes a key.
    ///
    /// The record is read, changed here, and written only if nobody has changed it meanwhile.
    pub(super) async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
    ) -> Result<Arc<KeyRecord>, StoreError> {
        self.within(async {
            let _turn = self.turn(id).await;
            for _ in 0..ATTEMPTS {
                if let Some(record) = self.try_to_apply(id, change).await? {
                    return Ok(record);
                }
            }
            let message = format!("the key was changed by others {ATTEMPTS} times meanwhile");
            Err(StoreError::new(StoreErrorKind::Overloaded, message))
        })
        .await
    }

    /// `None` when somebody else was faster.
    async fn try_to_apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
    ) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let found = self.read(Query::Get, &[&&id.as_bytes()[..]]).await?;
        let (Some(before), Some(first)) = (rows::record(&found)?, found.first()) else {
            return Err(StoreError::new(StoreErrorKind::NotFound, "no such key"));
        };
        let revision = rows::revision(first)?;
        if let KeyChange::Rotate { digest, .. } = change
            && before.secret_version(digest).is_some()
        {
            return Err(already_exists("digest"));
        }
        let (record, written) = match change.applied_to(&before)? {
            None => (before, self.delete(id, revision).await),
            Some(after) => {
                let after = Arc::new(after);
                let written = self.replace(&after, revision, kind_of(change)).await;
                (after, written)
            }
        };
        match written {
            Ok(true) => Ok(Some(record)),
            Ok(false) => Ok(None),
            Err(fault) if fault.is_unique_violation() => Err(already_exists("digest")),
            Err(fault) => Err(fault.into_store_error(self.address())),
        }
    }

    async fn delete(&self, id: &KeyId, revision: i64) -> Result<bool, Fault> {
        let id = &id.as_bytes()[..];
        let rows = self.write(Query::Delete, &[&id, &revision]).await?;
        Ok(!rows.is_empty())
    }

    async fn replace(
        &self,
        after: &Arc<KeyRecord>,
        revision: i64,
        told: &str,
    ) -> Result<bool, Fault> {
        let records = std::slice::from_ref(after);
        let (keys, secrets) = (Keys::of(records), Secrets::of(records));
        let rows = self
            .write(
                Query::Change,
                &[
                    &keys.ids[0],
                    &revision,
                    &keys.names[0],
                    &keys.scopes[0],
                    &keys.expires_at[0],
                    &keys.disabled[0],
                    &keys.revoked_at[0],
                    &keys.reasons[0],
                    &secrets.numbers,
                    &secrets.digests,
                    &secrets.prefixes,
                    &secrets.created_at,
                    &secrets.retires_at,
                    &told,
                ],
            )
            .await?;
        Ok(!rows.is_empty())
    }
}

/// How other processes are told, as [`FeedEvent::of`](crate::store::feed::FeedEvent::of) says.
fn kind_of(change: &KeyChange) -> &'static str {
    match change {
        KeyChange::Rotate { .. } => payload::ADDED,
        _ => payload::CHANGED,
    }
}
