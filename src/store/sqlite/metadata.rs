//! Metadata as the tables keep it: as JSON, or nothing where there is none.

use rusqlite::Error;

use super::failure::Fault;
use crate::record::metadata::Metadata;

/// What is written of it.
pub(crate) fn stored(metadata: &Metadata) -> Result<Option<String>, Fault> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(metadata)
        .map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
    Ok(Some(text))
}
