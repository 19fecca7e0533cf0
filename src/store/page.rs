//! Lists in pages.

use std::sync::Arc;

use crate::record::id::KeyId;
use crate::record::key::KeyRecord;

/// Which part of a list is wanted.
///
/// Lists are ordered by [`KeyId`]: for keys that the manager issued, the order of creation to the
/// millisecond. A page starts after a key, so keys that come or go meanwhile neither repeat nor
/// hide others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    after: Option<KeyId>,
    limit: usize,
}

impl PageRequest {
    /// The largest page.
    pub const MAX_LIMIT: usize = 1_000;

    /// The first page, of up to `limit` keys; at least 1 and at most
    /// [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub fn first(limit: usize) -> Self {
        Self {
            after: None,
            limit: limit.clamp(1, Self::MAX_LIMIT),
        }
    }

    /// The page that starts after this key, which need not exist any more.
    #[must_use]
    pub fn after(self, cursor: KeyId) -> Self {
        Self {
            after: Some(cursor),
            ..self
        }
    }

    /// The key after which the page starts.
    pub fn cursor(&self) -> Option<KeyId> {
        self.after
    }

    /// How many keys the page may have.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// The first 100 keys.
impl Default for PageRequest {
    fn default() -> Self {
        Self::first(100)
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct KeyPage {
    keys: Vec<Arc<KeyRecord>>,
    next: Option<KeyId>,
}

impl KeyPage {
    /// Makes the page of a request from the keys that follow its cursor, in order.
    ///
    /// A store passes one key more than the limit where there is one; that tells whether another
    /// page follows.
    pub fn new(request: &PageRequest, keys: impl IntoIterator<Item = Arc<KeyRecord>>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().take(request.limit + 1).collect();
        let more = keys.len() > request.limit;
        keys.truncate(request.limit);
        let next = if more {
            keys.last().map(|record| record.id())
        } else {
            None
        };
        Self { keys, next }
    }

    /// The keys of the page.
    pub fn keys(&self) -> &[Arc<KeyRecord>] {
        &self.keys
    }

    /// The cursor of the next page, if there is one.
    pub fn next(&self) -> Option<KeyId> {
        self.next
    }
}
