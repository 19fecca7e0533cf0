//! Lists of keys, in pages.

use std::sync::Arc;

use jiff::Timestamp;

use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::status::KeyStatus;
use crate::scope::name::Scope;

/// Which part of an owner's keys is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    after: Option<KeyId>,
    limit: usize,
    filter: KeyFilter,
}

impl PageRequest {
    /// The largest page, and how many records a call examines at most.
    pub const MAX_LIMIT: usize = 1_000;

    /// The first page, of 1 to [`MAX_LIMIT`](Self::MAX_LIMIT) keys; limits beyond that become the
    /// nearest of these.
    pub fn first(limit: usize) -> Self {
        Self {
            after: None,
            limit: limit.clamp(1, Self::MAX_LIMIT),
            filter: KeyFilter::new(),
        }
    }

    /// The page after that cursor, the [`next`](KeyPage::next) of the page before.
    #[must_use]
    pub fn after(self, cursor: KeyId) -> Self {
        Self {
            after: Some(cursor),
            ..self
        }
    }

    /// Lists only the keys that this filter matches. Defaults to all.
    ///
    /// A filtered page may be short or empty and still have a [`next`](KeyPage::next).
    #[must_use]
    pub fn with_filter(self, filter: KeyFilter) -> Self {
        Self { filter, ..self }
    }

    /// The cursor; `None` for the first page.
    pub fn cursor(&self) -> Option<KeyId> {
        self.after
    }

    /// How many keys the page has at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The filter.
    pub fn filter(&self) -> &KeyFilter {
        &self.filter
    }

    /// How many records a store reads for the page: one more than it needs to fill the page, or than
    /// it may examine.
    pub fn examined(&self) -> usize {
        if self.filter == KeyFilter::new() {
            self.limit + 1
        } else {
            Self::MAX_LIMIT + 1
        }
    }
}

impl Default for PageRequest {
    /// The first 100 keys.
    fn default() -> Self {
        Self::first(100)
    }
}

/// Which keys a list shows.
///
/// ```
/// use jiff::Timestamp;
/// use tower_api_key::Scope;
/// use tower_api_key::record::KeyStatus;
/// use tower_api_key::store::{KeyFilter, PageRequest};
///
/// let filter = KeyFilter::new()
///     .with_status(KeyStatus::Active, Timestamp::now())
///     .with_scope(Scope::WRITE)
///     .with_name_part("deploy");
/// let page = PageRequest::first(50).with_filter(filter);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    status: Option<(KeyStatus, Timestamp)>,
    scope: Option<Scope>,
    name_part: Option<Box<str>>,
}

impl KeyFilter {
    /// Matches every key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches keys that have this status at that time.
    #[must_use]
    pub fn with_status(self, status: KeyStatus, now: Timestamp) -> Self {
        Self {
            status: Some((status, now)),
            ..self
        }
    }

    /// Matches keys that have this scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self {
            scope: Some(scope),
            ..self
        }
    }

    /// Matches keys whose name contains this text, without regard to case.
    #[must_use]
    pub fn with_name_part(self, part: &str) -> Self {
        Self {
            name_part: Some(part.to_lowercase().into()),
            ..self
        }
    }

    /// Whether a key matches.
    pub fn matches(&self, record: &KeyRecord) -> bool {
        self.status
            .is_none_or(|(status, now)| record.status(now) == status)
            && self
                .scope
                .as_ref()
                .is_none_or(|scope| record.scopes().contains(scope))
            && self
                .name_part
                .as_ref()
                .is_none_or(|part| record.name().to_lowercase().contains(&**part))
    }
}

/// One page of a list of keys.
#[derive(Clone, Debug, Default)]
pub struct KeyPage {
    keys: Vec<Arc<KeyRecord>>,
    next: Option<KeyId>,
}

impl KeyPage {
    /// The page of these records, which come in the order of the list and start after the cursor: as
    /// many as [`PageRequest::examined`] says, or all there are.
    pub fn new(request: &PageRequest, records: impl IntoIterator<Item = Arc<KeyRecord>>) -> Self {
        let mut page = Self::default();
        let most = request.examined() - 1;
        let mut last = None;
        for (examined, record) in records.into_iter().enumerate() {
            if examined == most || page.keys.len() == request.limit {
                page.next = last;
                break;
            }
            last = Some(record.id());
            if request.filter.matches(&record) {
                page.keys.push(record);
            }
        }
        page
    }

    /// The keys.
    pub fn keys(&self) -> &[Arc<KeyRecord>] {
        &self.keys
    }

    /// The cursor of the next page; `None` when this is the last.
    pub fn next(&self) -> Option<KeyId> {
        self.next
    }
}
