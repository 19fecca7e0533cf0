//! The audit trail in pages.

use crate::record::audit::AuditEntry;

/// Which part of an audit trail is wanted.
///
/// Trails are read newest first, by the entries' numbers. A page starts before an entry, so entries
/// that come meanwhile neither repeat nor hide others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPageRequest {
    before: Option<u64>,
    limit: usize,
}

impl AuditPageRequest {
    /// The largest page.
    pub const MAX_LIMIT: usize = 1_000;

    /// The page of the newest entries, up to `limit`; at least 1 and at most
    /// [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub fn first(limit: usize) -> Self {
        Self {
            before: None,
            limit: limit.clamp(1, Self::MAX_LIMIT),
        }
    }

    /// The page of entries with lower numbers than this, which need not exist any more.
    #[must_use]
    pub fn before(self, cursor: u64) -> Self {
        Self {
            before: Some(cursor),
            ..self
        }
    }

    /// The number of the entry before which the page starts.
    pub fn cursor(&self) -> Option<u64> {
        self.before
    }

    /// How many entries the page may have.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// The newest 100 entries.
impl Default for AuditPageRequest {
    fn default() -> Self {
        Self::first(100)
    }
}

/// One page of an audit trail.
#[derive(Clone, Debug, Default)]
pub struct AuditPage {
    entries: Vec<AuditEntry>,
    next: Option<u64>,
}

impl AuditPage {
    /// Makes the page of a request from the entries before its cursor, newest first.
    ///
    /// A store passes one entry more than the limit where there is one; that tells whether another
    /// page follows.
    pub fn new(request: &AuditPageRequest, entries: impl IntoIterator<Item = AuditEntry>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().take(request.limit + 1).collect();
        let more = entries.len() > request.limit;
        entries.truncate(request.limit);
        let next = if more {
            entries.last().map(AuditEntry::number)
        } else {
            None
        };
        Self { entries, next }
    }

    /// The entries of the page, newest first.
    pub fn entries(&self) -> &[AuditEntry] {
        &self.entries
    }

    /// The cursor of the next page, if there is one.
    pub fn next(&self) -> Option<u64> {
        self.next
    }
}
