//! Rows of the tables as key records.

use std::error::Error;
use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::timestamptz::Timestamptz;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::scope::set::ScopeSet;
use crate::store::error::{StoreError, StoreErrorKind};

/// The record in the rows of one key, if there are any.
pub(super) fn record(rows: &[Row]) -> Result<Option<Arc<KeyRecord>>, StoreError> {
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let record = read_record(first, rows).map_err(|defect| corrupt(first, defect))?;
    Ok(Some(Arc::new(record)))
}

/// The records in the rows of several keys, where those of one key follow each other.
pub(super) fn records(rows: &[Row]) -> Result<Vec<Arc<KeyRecord>>, StoreError> {
    let mut records = Vec::new();
    for rows in rows.chunk_by(|one, other| raw_id(one) == raw_id(other)) {
        records.extend(record(rows)?);
    }
    Ok(records)
}

/// What a change of the key in this row goes by, which was read by its id.
pub(super) fn written(row: &Row) -> Result<i64, StoreError> {
    row.try_get(17).map_err(|error| corrupt(row, error.into()))
}

type Defect = Box<dyn Error + Send + Sync>;

fn read_record(first: &Row, rows: &[Row]) -> Result<KeyRecord, Defect> {
    let id = KeyId::from_bytes(first.try_get::<_, &[u8]>(0)?.try_into()?);
    let owner: &str = first.try_get(1)?;
    let name: &str = first.try_get(2)?;
    let scopes: &str = first.try_get(3)?;
    let reason: Option<&str> = first.try_get(8)?;
    let metadata: Option<&str> = first.try_get(9)?;
    let changes: i64 = first.try_get(10)?;
    let revocation = match (time(first, 7)?, reason) {
        (Some(Timestamptz(at)), Some(reason)) => Some(Revocation::new(at, reason)),
        (None, None) => None,
        _ => return Err("expected a revocation with its time and reason".into()),
    };
    let versions = rows.iter().filter_map(|row| read_version(row).transpose());
    let Timestamptz(created_at) = required(first, 4)?;
    let record = KeyRecord::new(id, owner, name, created_at)
        .with_changes(u32::try_from(changes)?)
        .with_scopes(ScopeSet::from_stored_lossy(scopes.split(' ')))
        .with_expires_at(time(first, 5)?.map(|Timestamptz(at)| at))
        .with_disabled(required(first, 6)?)
        .with_revocation(revocation)
        .with_secret_versions(versions.collect::<Result<Vec<_>, Defect>>()?);
    Ok(match metadata {
        Some(metadata) => record.with_metadata(read_metadata(metadata)?),
        None => record,
    })
}

/// What is wrong is not repeated: it is the owner's.
fn read_metadata(text: &str) -> Result<Metadata, Defect> {
    serde_json::from_str(text).map_err(|_| "expected metadata as a JSON object of texts".into())
}

/// `None` where the key has no secret version.
fn read_version(row: &Row) -> Result<Option<SecretVersion>, Defect> {
    let Some(number) = row.try_get::<_, Option<i64>>(11)? else {
        return Ok(None);
    };
    let digest = KeyDigest::from_bytes(row.try_get::<_, &[u8]>(12)?.try_into()?);
    let prefix = row.try_get::<_, &str>(13)?.parse()?;
    let Timestamptz(created_at) = required(row, 14)?;
    let version = SecretVersion::new(u32::try_from(number)?, digest, prefix, created_at)
        .with_retires_at(time(row, 15)?.map(|Timestamptz(at)| at))
        .with_last_used_at(time(row, 16)?.map(|Timestamptz(at)| at));
    Ok(Some(version))
}

fn time(row: &Row, column: usize) -> Result<Option<Timestamptz>, Defect> {
    Ok(row.try_get(column)?)
}

fn required<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Defect> {
    Ok(row.try_get(column)?)
}

fn raw_id(row: &Row) -> Option<&[u8]> {
    row.try_get(0).ok()
}

/// The rows hold something that is no key record; the key's id may be told.
fn corrupt(row: &Row, defect: Defect) -> StoreError {
    let id = raw_id(row).and_then(|octets| octets.try_into().ok());
    let id = id.map_or_else(
        || "a key".to_owned(),
        |id| KeyId::from_bytes(id).to_string(),
    );
    let message = format!("expected the record of {id} in the tables, found something else");
    StoreError::new(StoreErrorKind::Corrupt, message).with_source(defect)
}
