//! Records by id, and by owner.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::quality::RandomState;
use jiff::Timestamp;

use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::contract::page::{KeyPage, PageRequest};

/// Finds records by their id, and those of an owner, newest first.
///
/// Both sets hold the records alone, which know their own id and owner.
#[derive(Default)]
pub(super) struct Index {
    by_id: HashSet<ById, RandomState>,
    by_owner: BTreeSet<ByOwner>,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<&Arc<KeyRecord>> {
        self.by_id.get(id).map(|ById(record)| record)
    }

    /// Adds a record, in place of the one with its id.
    pub(super) fn put(&mut self, record: &Arc<KeyRecord>) {
        self.by_id.replace(ById(record.clone()));
        self.by_owner.replace(ByOwner(record.clone()));
    }

    pub(super) fn remove(&mut self, record: &Arc<KeyRecord>) {
        self.by_id.remove(&record.id());
        self.by_owner.remove(&ByOwner(record.clone()));
    }

    pub(super) fn page(&self, owner: &str, page: &PageRequest) -> KeyPage {
        KeyPage::new(page, self.before(owner, page.cursor()).cloned())
    }

    /// Whether the owner has that many keys that are not revoked.
    pub(super) fn has(&self, count: u64, owner: &str) -> bool {
        let mut unrevoked = self
            .before(owner, None)
            .filter(|record| record.revocation().is_none());
        match count.checked_sub(1).map(usize::try_from) {
            None => true,
            Some(Ok(others)) => unrevoked.nth(others).is_some(),
            Some(Err(_)) => false,
        }
    }

    /// The owner's records before the one of that id, or all; newest first.
    fn before(&self, owner: &str, cursor: Option<KeyId>) -> impl Iterator<Item = &Arc<KeyRecord>> {
        let place = |id| {
            let record = KeyRecord::new(id, owner, "", Timestamp::UNIX_EPOCH);
            ByOwner(Arc::new(record))
        };
        let end = match cursor {
            Some(last) => Bound::Excluded(place(last)),
            None => Bound::Included(place(KeyId::from_bytes([u8::MAX; KeyId::LEN]))),
        };
        let before = self.by_owner.range((Bound::Unbounded, end)).rev();
        before
            .map(|ByOwner(record)| record)
            .take_while(move |record| record.owner() == owner)
    }
}

/// A record that stands for its id.
struct ById(Arc<KeyRecord>);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl Borrow<KeyId> for ById {
    fn borrow(&self) -> &KeyId {
        self.0.id_ref()
    }
}

/// A record that stands for its owner and, among those of one owner, for its id.
struct ByOwner(Arc<KeyRecord>);

impl Ord for ByOwner {
    fn cmp(&self, other: &Self) -> Ordering {
        fn place(record: &KeyRecord) -> (&str, KeyId) {
            (record.owner(), record.id())
        }
        place(&self.0).cmp(&place(&other.0))
    }
}

impl PartialOrd for ByOwner {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByOwner {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByOwner {}
