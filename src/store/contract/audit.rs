//! Reading the audit trail.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
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

/// Reads and prunes the audit trail, which inserts and commits write.
///
/// # For implementers
///
/// - Every key that is added and every commit writes one entry, in the same step as the key. Rejected
///   changes write none.
/// - Sequence numbers may start anywhere, stay below 2^53 and may have gaps. A change that begins
///   after another has returned has a higher number, and so has a later change of the same key.
/// - An entry's detail is returned byte for byte. Entries stay when the key is deleted.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Returns one page of the audit trail of an owner's keys, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError>;

    /// Deletes the entries older than that time, of every owner, and the idempotency keys of inserts
    /// older than that; returns how many entries were deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store fails.
    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError>;
}

/// A pointer to an audit log is one.
macro_rules! by_pointer {
    ($pointer:ident) => {
        #[async_trait]
        impl<S: AuditLog + ?Sized> AuditLog for $pointer<S> {
            async fn audit(
                &self,
                owner: &str,
                page: &AuditPageRequest,
            ) -> Result<AuditPage, StoreError> {
                (**self).audit(owner, page).await
            }

            async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
                (**self).prune_audit_before(at).await
            }
        }
    };
}

by_pointer!(Arc);
by_pointer!(Box);
