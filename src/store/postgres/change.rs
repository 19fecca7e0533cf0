//! Changes keys.

use std::sync::Arc;

use super::columns::{Keys, Secrets};
use super::database::Database;
use super::fault::Fault;
use super::insert::already_exists;
use super::payload;
use super::rows;
use super::sql::Query;
use super::written::Written;
use crate::record::audit::AuditEntry;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::transition::Transition;

/// How often a change is made anew because another process changed the same key meanwhile.
const ATTEMPTS: usize = 64;

impl Database {
    /// Changes a key, and writes the entry of the audit trail.
    ///
    /// The record is read, changed here, and written only if nobody has changed it meanwhile.
    pub(super) async fn apply(
        &self,
        id: &KeyId,
        change: &KeyChange,
        context: &ChangeContext,
    ) -> Result<Written, StoreError> {
        self.within(async {
            let _turn = self.turn(id.as_bytes()).await;
            for _ in 0..ATTEMPTS {
                if let Some(written) = self.try_to_apply(id, change, context).await? {
                    return Ok(written);
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
        context: &ChangeContext,
    ) -> Result<Option<Written>, StoreError> {
        let found = self.read(Query::Get, &[&&id.as_bytes()[..]]).await?;
        let (Some(before), Some(first)) = (rows::record(&found)?, found.first()) else {
            return Err(StoreError::new(StoreErrorKind::NotFound, "no such key"));
        };
        let written = rows::written(first)?;
        if let KeyChange::Rotate { digest, .. } = change
            && before.secret_version(digest).is_some()
        {
            return Err(already_exists("digest"));
        }
        let (after, entry) = Transition::of(change, &before, context)?.into_parts();
        let Some(entry) = entry else {
            return Ok(Some(Written::Nothing(before)));
        };
        let (record, done) = match after {
            None => (before, self.delete(id, written, &entry).await),
            Some(after) => {
                let after = Arc::new(after);
                let has_others = after.scopes() != before.scopes();
                let done = self.replace(&after, written, &entry, (kind_of(change), has_others));
                let done = done.await;
                (after, done)
            }
        };
        match done {
            Ok(true) => Ok(Some(Written::Record(record))),
            Ok(false) => Ok(None),
            Err(fault) if fault.is_unique_violation() => Err(already_exists("digest")),
            Err(fault) => Err(fault.into_store_error(self.address())),
        }
    }

    async fn delete(&self, id: &KeyId, written: i64, entry: &AuditEntry) -> Result<bool, Fault> {
        let rows = self
            .write(
                Query::Delete,
                &[
                    &&id.as_bytes()[..],
                    &written,
                    &entry.at().as_microsecond(),
                    &entry.action().as_str(),
                    &entry.actor(),
                    &entry.reason(),
                    &entry.detail(),
                ],
            )
            .await?;
        Ok(!rows.is_empty())
    }

    async fn replace(
        &self,
        after: &Arc<KeyRecord>,
        written: i64,
        entry: &AuditEntry,
        (told, has_other_scopes): (&str, bool),
    ) -> Result<bool, Fault> {
        let records = std::slice::from_ref(after);
        let (keys, secrets) = (Keys::of(records), Secrets::of(records));
        let rows = self
            .write(
                Query::Change,
                &[
                    &keys.ids[0],
                    &written,
                    &keys.names[0],
                    &keys.scopes[0],
                    &keys.expires_at[0],
                    &keys.disabled[0],
                    &keys.revoked_at[0],
                    &keys.reasons[0],
                    &keys.metadata[0],
                    &keys.changes[0],
                    &secrets.numbers,
                    &secrets.digests,
                    &secrets.prefixes,
                    &secrets.created_at,
                    &secrets.retires_at,
                    &entry.at().as_microsecond(),
                    &entry.action().as_str(),
                    &entry.actor(),
                    &entry.reason(),
                    &entry.detail(),
                    &told,
                    &has_other_scopes,
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
