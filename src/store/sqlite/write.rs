//! Changes of keys, each in the transaction of its caller.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::failure::Fault;
use super::link::IMMEDIATE;
use super::read;
use super::row::stored;
use super::sql::Sql;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::usage::KeyUse;

/// Adds a key. After an error the transaction must not be committed.
pub(crate) fn insert(database: &Connection, sql: &Sql, record: &KeyRecord) -> Result<(), Fault> {
    let inserted = database.prepare_cached(&sql.insert_key)?.execute(params![
        record.id().as_bytes(),
        record.owner(),
        record.name(),
        record.scopes().to_string(),
        stored(record.created_at()),
        record.expires_at().map(stored),
        record.is_disabled(),
        record.revocation().map(Revocation::at).map(stored),
        record.revocation().map_or("", Revocation::reason),
        secret_count(record),
    ])?;
    if inserted == 0 {
        return Err(already_exists("id"));
    }
    let key = database.last_insert_rowid();
    for version in record.secret_versions() {
        insert_secret(database, sql, key, version)?;
    }
    Ok(())
}

/// Adds keys, each or not, in a transaction of its own.
pub(crate) fn insert_many(
    database: &mut Connection,
    sql: &Sql,
    records: Vec<KeyRecord>,
) -> Result<Vec<Result<Arc<KeyRecord>, StoreError>>, Fault> {
    let mut answers = Vec::with_capacity(records.len());
    let mut transaction = database.transaction_with_behavior(IMMEDIATE)?;
    for record in records {
        let part = transaction.savepoint()?;
        answers.push(match insert(&part, sql, &record) {
            Ok(()) => {
                part.commit()?;
                Ok(Arc::new(record))
            }
            // What was added of it goes with the savepoint.
            Err(Fault::Store(refused)) => Err(refused),
            Err(fault) => return Err(fault),
        });
    }
    transaction.commit()?;
    Ok(answers)
}

/// Changes a key, and returns the record after the change; of a deleted key, the one before.
pub(crate) fn apply(
    database: &Connection,
    sql: &Sql,
    id: &KeyId,
    change: &KeyChange,
) -> Result<Arc<KeyRecord>, Fault> {
    let Some((key, before)) = read::get(database, sql, id)? else {
        return Err(StoreError::new(StoreErrorKind::NotFound, "no such key").into());
    };
    let Some(after) = change.applied_to(&before)? else {
        database.prepare_cached(&sql.delete_key)?.execute([key])?;
        return Ok(Arc::new(before));
    };
    database.prepare_cached(&sql.update_key)?.execute(params![
        key,
        after.name(),
        after.scopes().to_string(),
        after.expires_at().map(stored),
        after.is_disabled(),
        after.revocation().map(Revocation::at).map(stored),
        after.revocation().map_or("", Revocation::reason),
        secret_count(&after),
    ])?;
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
    if let KeyChange::Rotate { digest, .. } = change {
        if before.secret_version(digest).is_some() {
            return Err(already_exists("digest"));
        }
        if let Some(version) = after.secret_version(digest) {
            insert_secret(database, sql, key, version)?;
        }
    }
    Ok(Arc::new(after))
}

/// Notes uses; the statement lets a time only move forwards.
pub(crate) fn note_uses(database: &Connection, sql: &Sql, uses: &[KeyUse]) -> Result<(), Fault> {
    let mut statement = database.prepare_cached(&sql.note_use)?;
    for one in uses {
        statement.execute(params![
            one.key().as_bytes(),
            one.secret_version(),
            stored(one.last_used_at())
        ])?;
    }
    Ok(())
}

fn insert_secret(
    database: &Connection,
    sql: &Sql,
    key: i64,
    version: &SecretVersion,
) -> Result<(), Fault> {
    let mut statement = database.prepare_cached(&sql.insert_secret)?;
    let inserted = statement.execute(params![
        key,
        version.number(),
        version.digest().as_bytes(),
        version.prefix().as_str(),
        stored(version.created_at()),
        version.retires_at().map(stored),
        version.last_used_at().map(stored),
    ])?;
    if inserted == 0 {
        return Err(already_exists("digest"));
    }
    Ok(())
}

/// By this a look-up knows whether it has read all of a key.
fn secret_count(record: &KeyRecord) -> i64 {
    i64::try_from(record.secret_versions().len()).unwrap_or(i64::MAX)
}

fn already_exists(what: &str) -> Fault {
    let message = format!("expected a new key, found its {what} in the store");
    StoreError::new(StoreErrorKind::AlreadyExists, message).into()
}
