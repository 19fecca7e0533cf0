//! Rows of the tables as key records.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::contract::error::{StoreError, StoreErrorKind};

pub(super) type Defect = Box<dyn Error + Send + Sync>;

/// The record in a row with id, document and revision.
pub(super) fn verified_record(row: &Row) -> Result<Arc<KeyRecord>, StoreError> {
    read(row, parse)
}

/// The record in a row with its id, document, revision and last uses, as the statements with `{record}` return.
pub(super) fn record(row: &Row) -> Result<Arc<KeyRecord>, StoreError> {
    read(row, |row| {
        let mut record = parse(row)?;
        if let Some(last_uses) = row.try_get::<_, Option<&str>>(3)? {
            let last_uses: BTreeMap<u32, i64> = serde_json::from_str(last_uses)?;
            for (number, at) in last_uses {
                record = record.with_use_noted(number, Timestamp::from_microsecond(at)?);
            }
        }
        Ok(record)
    })
}

fn parse(row: &Row) -> Result<KeyRecord, Defect> {
    let (id, document): (&[u8], &str) = (row.try_get(0)?, row.try_get(1)?);
    let revision = row.try_get::<_, i64>(2)?.cast_unsigned();
    let id = KeyId::from_bytes(id.try_into()?);
    Ok(KeyRecord::from_row(document.as_bytes(), &id, revision)?)
}

/// The error names the key's id, and nothing of the row.
fn read(
    row: &Row,
    parse: impl FnOnce(&Row) -> Result<KeyRecord, Defect>,
) -> Result<Arc<KeyRecord>, StoreError> {
    parse(row).map(Arc::new).map_err(|defect| {
        let id = row.try_get::<_, &[u8]>(0).ok();
        let id = id.and_then(|bytes| bytes.try_into().ok());
        let id = id.map(|bytes| KeyId::from_bytes(bytes).to_string());
        let message = format!("key {}: {defect}", id.as_deref().unwrap_or("without an id"));
        StoreError::new(StoreErrorKind::Corrupt, message).with_source(defect)
    })
}
