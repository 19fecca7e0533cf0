//! Changes of keys, in the transaction of the caller.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::audit;
use super::cells::stored;
use super::failure::Fault;
use super::insert::{add_secret, already_exists, secret_count};
use super::metadata;
use super::read;
use super::sql::Sql;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::revocation::Revocation;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::feed::FeedEvent;
use crate::store::transition::Transition;

/// Changes a key, and returns the record after the change, of a deleted key the one before, with
/// what listeners are told. After an error the transaction must not be committed.
pub(crate) fn apply(
    database: &Connection,
    sql: &Sql,
    id: &KeyId,
    change: &KeyChange,
    context: &ChangeContext,
) -> Result<(Arc<KeyRecord>, Vec<FeedEvent>), Fault> {
    let Some((key, before)) = read::get(database, sql, id)? else {
        return Err(StoreError::new(StoreErrorKind::NotFound, "no such key").into());
    };
    let (after, entry) = Transition::of(change, &before, context)?.into_parts();
    let Some(entry) = entry else {
        return Ok((Arc::new(before), Vec::new()));
    };
    audit::write(database, sql, &entry)?;
    let record = if let Some(after) = after {
        update(database, sql, key, change, (&before, &after))?;
        after
    } else {
        database.prepare_cached(&sql.delete_key)?.execute([key])?;
        before
    };
    Ok((Arc::new(record), vec![FeedEvent::of(*id, change)]))
}

fn update(
    database: &Connection,
    sql: &Sql,
    key: i64,
    change: &KeyChange,
    (before, after): (&KeyRecord, &KeyRecord),
) -> Result<(), Fault> {
    database.prepare_cached(&sql.update_key)?.execute(params![
        key,
        after.name(),
        after.scopes().to_string(),
        after.expires_at().map(stored),
        after.is_disabled(),
        after.revocation().map(Revocation::at).map(stored),
        after.revocation().map_or("", Revocation::reason),
        secret_count(after),
        after.changes(),
        metadata::stored(after.metadata())?,
    ])?;
    if after.scopes() != before.scopes() {
        let mut forget = database.prepare_cached(&sql.usage.forget_scopes)?;
        forget.execute([key])?;
    }
    let KeyChange::Rotate { digest, .. } = change else {
        return Ok(());
    };
    if before.secret_version(digest).is_some() {
        return Err(already_exists("digest"));
    }
    for version in before.secret_versions() {
        let digest = version.digest();
        match after.secret_version(digest) {
            None => {
                let mut delete = database.prepare_cached(&sql.delete_secret)?;
                delete.execute([digest.as_bytes()])?;
            }
            Some(changed) if changed.retires_at() != version.retires_at() => {
                let mut retire = database.prepare_cached(&sql.retire_secret)?;
                retire.execute(params![digest.as_bytes(), changed.retires_at().map(stored)])?;
            }
            Some(_) => {}
        }
    }
    if let Some(version) = after.secret_version(digest) {
        add_secret(database, sql, key, version)?;
    }
    Ok(())
}
