//! What became of a change.

use std::sync::Arc;

use crate::record::key::KeyRecord;

/// What a change or an insert has written, with the record that its caller gets.
pub(super) enum Written {
    /// The key, which others have to hear of.
    Record(Arc<KeyRecord>),
    /// Nothing: the key was so before.
    Nothing(Arc<KeyRecord>),
}

impl Written {
    /// The record, and whether it was written.
    pub(super) fn into_parts(self) -> (Arc<KeyRecord>, bool) {
        match self {
            Self::Record(record) => (record, true),
            Self::Nothing(record) => (record, false),
        }
    }
}
