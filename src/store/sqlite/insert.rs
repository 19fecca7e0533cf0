//! New keys, in the transaction of the caller.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::audit;
use super::cells::stored;
use super::failure::Fault;
use super::metadata;
use super::read;
use super::sql::Sql;
use crate::record::audit::AuditEntry;
use crate::record::change::ChangeRefused;
use crate::record::context::ChangeContext;
use crate::record::key::KeyRecord;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::feed::FeedEvent;

/// Adds a key, and returns it with what listeners are told; or the key that an earlier insert with
/// the same idempotency key has added. After an error the transaction must not be committed.
pub(crate) fn issue(
    database: &Connection,
    sql: &Sql,
    record: KeyRecord,
    context: &ChangeContext,
) -> Result<(Arc<KeyRecord>, Vec<FeedEvent>), Fault> {
    if let Some(issued) = context.idempotency_key()
        && let Some(earlier) = read::issued(database, sql, issued)?
    {
        return Ok((Arc::new(earlier), Vec::new()));
    }
    if let Some(most) = context.max_keys_of_owner()
        && has(database, sql, most, record.owner())?
    {
        return Err(ChangeRefused::TooManyKeys.into());
    }
    let key = add(database, sql, &record, context)?;
    if let Some(issued) = context.idempotency_key() {
        let mut remember = database.prepare_cached(&sql.remember_issued)?;
        remember.execute(params![issued, key, stored(context.at())])?;
    }
    let event = FeedEvent::Added(record.id());
    Ok((Arc::new(record), vec![event]))
}

/// Adds keys, each or not, and returns them with what listeners are told. After an error the
/// transaction must not be committed.
pub(crate) fn add_many(
    database: &Connection,
    sql: &Sql,
    records: Vec<KeyRecord>,
    context: &ChangeContext,
) -> Result<(Answers, Vec<FeedEvent>), Fault> {
    let mut answers = Vec::with_capacity(records.len());
    let mut events = Vec::with_capacity(records.len());
    for record in records {
        answers.push(match add(database, sql, &record, context) {
            Ok(_) => {
                events.push(FeedEvent::Added(record.id()));
                Ok(Arc::new(record))
            }
            Err(Fault::Store(refused)) => Err(refused),
            Err(fault) => return Err(fault),
        });
    }
    Ok((answers, events))
}

/// What became of each of many keys.
type Answers = Vec<Result<Arc<KeyRecord>, StoreError>>;

/// Adds a secret version to a key.
pub(crate) fn add_secret(
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
pub(crate) fn secret_count(record: &KeyRecord) -> i64 {
    i64::try_from(record.secret_versions().len()).unwrap_or(i64::MAX)
}

pub(crate) fn already_exists(what: &str) -> Fault {
    let message = format!("expected a new key, found its {what} in the store");
    StoreError::new(StoreErrorKind::AlreadyExists, message).into()
}

/// Adds a key with its secrets and its entry in the audit trail, and returns its row number; adds
/// nothing of it when it is refused.
fn add(
    database: &Connection,
    sql: &Sql,
    record: &KeyRecord,
    context: &ChangeContext,
) -> Result<i64, Fault> {
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
        record.changes(),
        metadata::stored(record.metadata())?,
    ])?;
    if inserted == 0 {
        return Err(already_exists("id"));
    }
    let key = database.last_insert_rowid();
    for version in record.secret_versions() {
        if let Err(fault) = add_secret(database, sql, key, version) {
            // What was added of it goes with the key. A savepoint would make an
            // import twice as slow.
            database.prepare_cached(&sql.delete_key)?.execute([key])?;
            return Err(fault);
        }
    }
    audit::write(database, sql, &AuditEntry::of_insert(record, context))?;
    Ok(key)
}

/// Whether the owner has that many keys that are not revoked.
fn has(database: &Connection, sql: &Sql, count: u64, owner: &str) -> Result<bool, Fault> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let mut statement = database.prepare_cached(&sql.count_of_owner)?;
    let found: i64 = statement.query_row((owner, count), |row| row.get(0))?;
    Ok(found >= count)
}
